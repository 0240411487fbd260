//! Visitors as they come: with tokens or without, from other sites, on several hosts, with several devices.

mod apps;
mod clients;
mod cookieless;
mod elsewhere;
mod lanes;
mod moving;
mod one_visit;
mod polls;
mod sites;
mod tokens;
