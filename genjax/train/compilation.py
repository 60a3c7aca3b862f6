"""JAX's persistent compilation cache, for processes that genjax owns."""

import jax

_GIBIBYTE = 1 << 30


def cache_compilations() -> str:
    """Keeps compiled programs in the user's cache folder, so that a second run starts at once.

    Least recently used ones make room beyond a gibibyte. Whoever has set a folder, say by
    `JAX_COMPILATION_CACHE_DIR`, keeps it.

    Returns:
      The folder.
    """
    folder: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]
    if folder is None:
        import platformdirs

        folder = str(platformdirs.user_cache_path('genjax', appauthor=False) / 'compiled')
        jax.config.update('jax_compilation_cache_dir', folder)
        jax.config.update('jax_compilation_cache_max_size', _GIBIBYTE)
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.1)
    return folder
