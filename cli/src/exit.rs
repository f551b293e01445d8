//! Exit codes: what became of the request.

/// What became of a request. The one list of exit codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: refused, or asked wrongly; nothing changed.
    Refused,
    /// 2: a fault on this side: a disk, a node that cannot be reached, a bug.
    Fault,
    /// 3: started, and undone again.
    Undone,
    /// 4: started, and not settled.
    Unsettled,
}

impl Exit {
    /// Returns the code that the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Exit::Done => 0,
            Exit::Refused => 1,
            Exit::Fault => 2,
            Exit::Undone => 3,
            Exit::Unsettled => 4,
        }
    }
}

/// The list of codes, for `--help`.
pub const HELP: &str = "\
Exit codes:
  0  done
  1  refused, or asked wrongly; nothing changed
  2  a fault on this side (disk, network, bug)
  3  started, and undone again
  4  started, and not settled";
