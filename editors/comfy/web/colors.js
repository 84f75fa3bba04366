// The colour of each of artgraph's kinds of values, in ComfyUI and in artgraph's own editor.
import { app } from '/scripts/app.js'

const COLORS = {
  "ARTGRAPH_DATASET": "#7bc47f",
  "ARTGRAPH_GAN": "#e4572e",
  "ARTGRAPH_VAE": "#f2a541",
  "ARTGRAPH_CLASSIFIER": "#b07fe0",
  "ARTGRAPH_GAN_LATENT": "#f08a8a",
  "ARTGRAPH_VAE_LATENT": "#f5cf7a",
  "ARTGRAPH_TABLE": "#5fc9c0",
  "ARTGRAPH_FILES": "#9aa0a6"
}

app.registerExtension({
  name: 'artgraph.colors',
  // Not in setup(), because the editor sets its own colours after setup().
  afterConfigureGraph() {
    for (const [type, color] of Object.entries(COLORS)) {
      app.canvas.default_connection_color_byType[type] = color
      app.canvas.constructor.link_type_colors[type] = color
      document.documentElement.style.setProperty(`--color-datatype-${type}`, color)
    }
  }
})
