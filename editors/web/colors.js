// A colour for each kind of value, so that a glance tells what fits where.

import { app } from '/scripts/app.js'

const COLORS = {
  IMAGE: '#5aa9e6',
  ARTGRAPH_DATASET: '#7bc47f',
  ARTGRAPH_GAN: '#e4572e',
  ARTGRAPH_VAE: '#f2a541',
  ARTGRAPH_CLASSIFIER: '#b07fe0',
  ARTGRAPH_GAN_LATENT: '#f08a8a',
  ARTGRAPH_VAE_LATENT: '#f5cf7a',
  ARTGRAPH_TABLE: '#5fc9c0',
  ARTGRAPH_FILES: '#9aa0a6'
}

/** To be called after the editor has set its own colours. */
export function paintSockets() {
  const canvas = app.canvas
  for (const [type, color] of Object.entries(COLORS)) {
    canvas.default_connection_color_byType[type] = color
    canvas.default_connection_color_byTypeOff[type] = color
    canvas.constructor.link_type_colors[type] = color
    document.documentElement.style.setProperty(`--color-datatype-${type}`, color)
  }
  canvas.setDirty(true, true)
}
