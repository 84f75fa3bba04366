"""The graph that `artgraph new` writes."""

STARTER = """\
# A graph of nodes. Run it:      artgraph run THIS_FILE
# What would run, and why:       artgraph plan THIS_FILE
# All nodes, or one of them:     artgraph nodes [NODE]
artgraph: 1
title: My first graph
about: Learn a small set of pictures and walk between two of them.

# Knobs are what you mean to turn: artgraph run THIS_FILE --set knobs.steps=400
knobs:
  size: {value: 64, about: Edge of a picture in pixels}
  steps: {value: 200, about: Training steps; raise it and the training goes on}

nodes:
  art:
    # Replace these three lines by your own pictures, in this file's folder:
    #   node: load_dataset
    #   from: {size: knobs.size}
    #   with: {folder: my_pictures}
    node: procedural_art
    from: {size: knobs.size}
    with: {count: 512, seed: 1}

  vae:
    node: train_vae
    from: {dataset: art, steps: knobs.steps} # wires: a node, node.output or knobs.name
    with: {seed: 1} # plain values

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

  walk_sheet: # saves out/<this file's name>/walk_sheet.png
    node: save_image
    from: {image: sheet}
"""
