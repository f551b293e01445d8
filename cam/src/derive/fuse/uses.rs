//! Who needs which value of a graph.

use super::graph::{Ix, Node, Region};

/// How a value is used by what is alive.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Use {
    /// Somebody needs it, or making it may trap.
    pub(super) live: bool,
    /// How often it is used in its own region.
    pub(super) same: u32,
    /// How often it is used in regions within that.
    pub(super) nested: u32,
    /// The node in its own region that uses it; `None` when that is the region itself, which leaves it.
    pub(super) user: Option<Ix>,
    /// It is used in a loop that does not make it anew in each round.
    pub(super) in_loop: bool,
    /// The region in which it stands.
    home: u32,
    /// In how many loops that is.
    loops: u32,
}

impl Use {
    /// Returns true when there is one use, by something in the same region.
    pub(super) fn once_here(&self) -> bool {
        (self.same, self.nested) == (1, 0)
    }
}

/// Returns the uses of all nodes of the graph of a function.
pub(super) fn uses(nodes: &[Node], whole: &Region) -> Vec<Use> {
    let mut walk = Walk { nodes, uses: vec![Use::default(); nodes.len()], regions: 0 };
    walk.region(whole, 0);
    walk.uses
}

struct Walk<'g> {
    nodes: &'g [Node],
    uses: Vec<Use>,
    /// How many regions were met.
    regions: u32,
}

impl Walk<'_> {
    /// Goes from the end of a region to its start, so that who uses a node is met before it.
    fn region(&mut self, region: &Region, loops: u32) {
        self.regions += 1;
        let home = self.regions;
        for ix in region.bound.iter().chain(&region.nodes) {
            self.uses[ix.at()].home = home;
            self.uses[ix.at()].loops = loops;
        }
        if let Some(left) = region.left {
            self.used(left, None, (home, loops));
        }
        for ix in region.nodes.iter().rev() {
            let node = &self.nodes[ix.at()];
            if !self.uses[ix.at()].live && !node.traps {
                continue;
            }
            self.uses[ix.at()].live = true;
            for arg in &node.args {
                self.used(*arg, Some(*ix), (home, loops));
            }
            for region in &node.regions {
                self.region(region, loops + u32::from(!node.is_branch()));
            }
        }
    }

    fn used(&mut self, ix: Ix, by: Option<Ix>, (home, loops): (u32, u32)) {
        let uses = &mut self.uses[ix.at()];
        uses.live = true;
        uses.in_loop |= loops > uses.loops;
        if uses.home == home {
            uses.same += 1;
            uses.user = by;
        } else {
            uses.nested += 1;
        }
    }
}
