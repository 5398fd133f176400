//! Texts and what they mean: strict JSON, the snapshot, the files of other tools.
