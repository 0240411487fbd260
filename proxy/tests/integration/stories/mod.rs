//! What happens to people: reloads, tabs, lost answers, sleeping phones. The place is kept, and so is the pass.

mod app;
mod inside;
mod visits;
mod waiting;
