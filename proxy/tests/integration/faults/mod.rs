//! What happens to a sale on three nodes when something fails, each fault by itself: the fault matrix.
//!
//! Every test here is one row of a table, measured from outside: by what each visitor was told, and by what reached the
//! origin. All of them at once: `./x faults`. Rows that take long, and faults that another row shows in much the same
//! way, are left out of the suite.
//!
//! | column | is |
//! |---|---|
//! | let in wrongly | more than the rate allows in some stretch of time, more than there are seats, or who asked while no node could reach the store |
//! | thrown out | was inside, and was not let through |
//! | places lost | had a number, and then another or none; or a number that was given twice |
//! | gone back | was told that more stand ahead than before |
//! | overtaken | was present, and somebody behind was called before |
//! | called in vain | was told that it was called, and then to wait |
//! | longest stall | between two visitors let in to the shop, from the fault on |
//! | moves after | from the end of the fault to the next visitor let in |
//! | most called, of those allowed | in the stretch of time that comes nearest to what the rate allows |
//! | at the end | visitors let in, once all is well again; without the fault about 6.7/s |
//! | slowest inside | the longest that a visitor inside waited for a page |

mod many_servers;
mod nodes;
mod one_server;
mod relay;
mod row;
mod sale;
mod wall_clock;

use self::{relay::Relay, sale::Sale};
