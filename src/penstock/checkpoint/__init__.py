"""Where checkpoints live: segments of blocks, and manifests that say which of them count."""
