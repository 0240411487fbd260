//! Servers under measurement: started, watched, ended.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Failed;

/// A server in a process of its own, ended with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// The process that has taken the place of the one that was started, and when it began.
    follower: Option<(u32, Option<u64>)>,
    /// Those between the two.
    older: Vec<(u32, Option<u64>)>,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

impl Server {
    fn new(child: Child, addr: SocketAddr) -> Self {
        Self { child, follower: None, older: Vec::new(), addr }
    }

    /// Starts a command that listens on `addr`.
    pub(crate) fn start(mut command: Command, addr: SocketAddr) -> Result<Self, Failed> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let mut server = Self::new(child, addr);
        server.listens(addr)?;
        Ok(server)
    }

    /// Waits until it listens here.
    pub(crate) fn listens(&mut self, addr: SocketAddr) -> Result<(), Failed> {
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(addr).is_err() {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("the server ended before it listened, with {status}").into());
            }
            if Instant::now() > deadline {
                return Err(format!("nothing listens on {addr}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(())
    }

    /// Starts a command that says `listening on http://ADDR`.
    pub(crate) fn start_and_listen(mut command: Command) -> Result<Self, Failed> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(out).lines() {
            if let Some(addr) = line?.strip_prefix("listening on http://") {
                return Ok(Self::new(child, addr.parse()?));
            }
        }
        let _ = child.kill();
        Err("the server ended before it listened".into())
    }

    /// The process, as the system numbers it.
    pub(crate) fn pid(&self) -> u32 {
        self.follower.map_or(self.child.id(), |(pid, _)| pid)
    }

    /// Another process has taken its place, and ends with this value as well.
    pub(crate) fn is_followed_by(&mut self, pid: u32) {
        self.older.extend(self.follower.replace((pid, began(pid))));
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Failed> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw).ok_or("no process")?;
        kill_process(pid, signal)?;
        Ok(())
    }

    /// How it ended, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<String> {
        let status = self.child.try_wait().ok().flatten();
        match self.follower {
            None => status.map(|status| status.to_string()),
            Some((pid, since)) => (began(pid) != since).then(|| "no word of how".to_owned()),
        }
    }

    /// CPU time used so far, user and system, of all its processes.
    pub(crate) fn cpu(&self) -> Result<Duration, Failed> {
        self.processes().into_iter().map(cpu_of).sum()
    }

    /// Memory of all its processes, in bytes; what they share is counted once.
    pub(crate) fn memory_bytes(&self) -> Result<u64, Failed> {
        let mut total_kib = 0;
        for pid in self.processes() {
            let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            total_kib += pss_kib(&rollup).ok_or("no Pss in smaps_rollup")?;
        }
        Ok(total_kib * 1024)
    }

    /// Descriptors that all its processes have open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = |pid| std::fs::read_dir(format!("/proc/{pid}/fd")).map_or(0, Iterator::count);
        self.processes().into_iter().map(open).sum()
    }

    /// Its process, those that it has started, and those that have taken its place.
    fn processes(&self) -> Vec<u32> {
        let mut pids = vec![self.child.id()];
        let others = self.older.iter().chain(&self.follower);
        pids.extend(others.filter(|(pid, since)| since.is_some() && began(*pid) == *since).map(|(pid, _)| *pid));
        let mut next = 0;
        while let Some(pid) = pids.get(next) {
            // Whoever has ended meanwhile has no children.
            let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
            let children = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok());
            let children: Vec<u32> = children
                .flat_map(|text| text.split_whitespace().filter_map(|p| p.parse().ok()).collect::<Vec<_>>())
                .collect();
            pids.extend(children.into_iter().filter(|child| !pids.contains(child)).collect::<Vec<_>>());
            next += 1;
        }
        pids
    }

    /// Workers outlive a master that is killed, so it is asked to end them first; those that it leaves behind are killed.
    fn end_workers(&mut self) {
        let workers = self.processes().split_off(1);
        if workers.is_empty() {
            return;
        }
        // With the time at which each began: another process may get its number.
        let workers: Vec<_> = workers.into_iter().map(|pid| (pid, began(pid))).collect();
        let _ = self.signal(Signal::TERM);
        let deadline = Instant::now() + Duration::from_secs(5);
        while Instant::now() < deadline {
            if !matches!(self.child.try_wait(), Ok(None)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        for (worker, since) in workers {
            if since.is_some() && began(worker) == since {
                send(worker, Signal::KILL);
            }
        }
    }
}

/// CPU time that a process and its threads have used so far, user and system.
pub(crate) fn cpu_of(pid: u32) -> Result<Duration, Failed> {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        // Nanoseconds on the CPU; the clock ticks of `stat` are too coarse for a short run.
        // A thread may end between the two looks.
        let Ok(text) = std::fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let ns = text.split(' ').next().and_then(|n| n.parse().ok()).ok_or("no schedstat")?;
        total += Duration::from_nanos(ns);
    }
    Ok(total)
}

impl Drop for Server {
    fn drop(&mut self) {
        self.end_workers();
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// `starttime` of proc(5): when a process began, in ticks since the system did.
fn began(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name before it is in brackets and may hold anything.
    stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

fn send(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        // It may have ended meanwhile.
        let _ = kill_process(pid, signal);
    }
}

/// Proportional set size, of `smaps_rollup`.
fn pss_kib(rollup: &str) -> Option<u64> {
    rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?.trim().strip_suffix(" kB")?.parse().ok()
}

/// A loopback address that is free now.
pub(crate) fn free_addr() -> std::io::Result<SocketAddr> {
    TcpListener::bind("127.0.0.1:0")?.local_addr()
}

/// A binary of this workspace, built with the same profile as this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf, Failed> {
    let path = std::env::current_exe()?.with_file_name(name);
    if path.exists() { Ok(path) } else { Err(format!("{} is not built", path.display()).into()) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn pss_is_read_whatever_stands_around_it() {
        let rollup = "5581-7ffd ---p 0 00:00 0 [rollup]\nRss:   1200 kB\nPss:    845 kB\nPss_Dirty:  7 kB\n";
        assert_eq!(pss_kib(rollup), Some(845));
        assert_eq!(pss_kib("Rss: 1 kB\n"), None);
    }

    #[test]
    fn workers_are_counted_and_end_with_their_master() {
        // A master with a worker that would outlive it, and that the harness must find by itself.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let mut command = Command::new("sh");
        command.args(["-c", "trap 'kill $!; exit' TERM; sleep 600 & wait"]);
        let server = Server::start(command, addr).unwrap();
        drop(listener);
        let deadline = Instant::now() + Duration::from_secs(10);
        while server.processes().len() < 2 {
            assert!(Instant::now() < deadline, "the worker did not start");
            std::thread::yield_now();
        }
        let worker = server.processes()[1];
        assert!(server.memory_bytes().unwrap() > 0);
        drop(server);
        while std::path::Path::new(&format!("/proc/{worker}/schedstat")).exists() {
            assert!(Instant::now() < deadline, "the worker is still there");
            std::thread::yield_now();
        }
    }
}
