//! Servers under measurement: started, watched, ended.

use std::{
    io::{BufRead, BufReader},
    net::{SocketAddr, TcpListener, TcpStream},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::Failed;

/// A server in a process of its own, ended with this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    /// Where it listens.
    pub(crate) addr: SocketAddr,
}

impl Server {
    /// Starts a command that listens on `addr`.
    pub(crate) fn start(mut command: Command, addr: SocketAddr) -> Result<Self, Failed> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        let server = Self { child, addr };
        let deadline = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(addr).is_err() {
            if Instant::now() > deadline {
                return Err(format!("nothing listens on {addr}").into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(server)
    }

    /// Starts a command that says `listening on http://ADDR`.
    pub(crate) fn start_and_listen(mut command: Command) -> Result<Self, Failed> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
        let out = child.stdout.take().ok_or("no output")?;
        for line in BufReader::new(out).lines() {
            if let Some(addr) = line?.strip_prefix("listening on http://") {
                return Ok(Self { child, addr: addr.parse()? });
            }
        }
        let _ = child.kill();
        Err("the server ended before it listened".into())
    }

    /// The process, as the system numbers it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub(crate) fn signal(&self, signal: Signal) -> Result<(), Failed> {
        kill_process(Pid::from_child(&self.child), signal)?;
        Ok(())
    }

    /// CPU time used so far, user and system.
    pub(crate) fn cpu(&self) -> Result<Duration, Failed> {
        cpu_of(self.child.id())
    }

    /// How it ended, if it has ended by itself.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
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
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
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
