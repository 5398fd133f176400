//! The reference store: the simplest code that keeps the contract.
