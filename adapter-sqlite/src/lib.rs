//! The default store: Diesel on bundled SQLite.
