//! A log that other processes commit to: after whatever they do, a running engine and a new one answer as the baseline
//! does, and by the kind of refresh that the change calls for.

mod compare;
mod folds;
mod hazards;
mod history;
mod interrupted;
mod links;
mod power_cut;
mod processes;
mod random;
mod remote;
mod watched;
mod writer;
