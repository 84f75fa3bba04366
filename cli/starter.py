"""The graph that `artgraph new` writes."""

STARTER = """\
# Run this graph:                       artgraph run THIS_FILE
# Show what a run would do, and why:    artgraph plan THIS_FILE
# List all nodes, or describe one:      artgraph nodes [NODE]
artgraph: 1
title: My first graph
about: Train a VAE on a small set of pictures, and walk between two of them.

# Knobs are settings that you can change for a run: artgraph run THIS_FILE --set knobs.steps=400
knobs:
  size: {value: 64, about: Edge of a picture in pixels}
  steps: {value: 200, about: Training steps; raise the number to resume the training}

nodes:
  art:
    # To use your own pictures, replace the next three lines by:
    #   node: load_dataset
    #   from: {size: knobs.size}
    #   with: {folder: my_pictures} # a folder beside this file
    node: procedural_art
    from: {size: knobs.size}
    with: {count: 512, seed: 1}

  vae:
    node: train_vae
    from: {dataset: art, steps: knobs.steps} # wires: from a node, node.output or knobs.name
    with: {seed: 1} # values

  pair:
    node: dataset_images
    from: {dataset: art}
    with: {count: 2}

  ends:
    node: vae_encode
    from: {vae: vae.vae, image: pair.image}

  walk:
    node: latent_walk
    from: {latent: ends}
    with: {frames: 8}

  frames:
    node: vae_decode
    from: {vae: vae.vae, latent: walk}

  sheet:
    node: image_grid
    from: {image: frames}
    with: {columns: 8}

  walk_sheet: # writes out/<the name of this file>/walk_sheet.png
    node: save_image
    from: {image: sheet}
"""
