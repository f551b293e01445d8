//! Names, versions, digests and the TOML documents of a project and of a bundle.
