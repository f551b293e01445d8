//! The two workloads: inputs from a linear congruential generator, and what has to come out.
//!
//! The same generator as `ledger_srv:workload/0` in `peers/erlang/`.

/// How many inputs the workload has before it begins anew.
pub const LENGTH: usize = 4096;

/// How often the ledger takes the whole workload in one run.
pub const LEDGER_PASSES: u32 = 200;

/// How often the counter takes [`LENGTH`] inputs in one run.
pub const COUNTER_PASSES: u32 = 500;

/// What the ledger holds after 819,200 steps ([`LEDGER_PASSES`] passes): count, total, rejected,
/// limit, fees, high-water mark, and the sum of all accounts.
pub const CHECK: [i64; 7] = [591_865, 16_255_439, 66_535, 974, 996_845, 1_070_410, 16_355_439];

/// How many accounts the ledger has.
pub const ACCOUNTS: i64 = 100;

/// What every account holds at first.
pub const OPENING: i64 = 1000;

/// An input of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Puts an amount into an account.
    Deposit {
        /// The account.
        account: i64,
        /// How much.
        amount: i64,
    },
    /// Takes an amount out of an account.
    Withdraw {
        /// The account.
        account: i64,
        /// How much.
        amount: i64,
    },
    /// Moves an amount.
    Transfer {
        /// The account that pays.
        from: i64,
        /// The account that is paid.
        to: i64,
        /// How much.
        amount: i64,
    },
    /// Asks what an account holds.
    Balance {
        /// The account.
        account: i64,
    },
    /// Sets the greatest amount of one order.
    SetLimit {
        /// The amount.
        limit: i64,
    },
    /// Asks for the figures.
    Stats,
}

impl Order {
    /// Returns the order as JSON of the machine's input type.
    pub fn to_json(&self) -> String {
        match self {
            Order::Deposit { account, amount } => {
                format!(r#"{{"Deposit":{{"account":{account},"amount":{amount}}}}}"#)
            }
            Order::Withdraw { account, amount } => {
                format!(r#"{{"Withdraw":{{"account":{account},"amount":{amount}}}}}"#)
            }
            Order::Transfer { from, to, amount } => {
                format!(r#"{{"Transfer":{{"from":{from},"to":{to},"amount":{amount}}}}}"#)
            }
            Order::Balance { account } => format!(r#"{{"Balance":{{"account":{account}}}}}"#),
            Order::SetLimit { limit } => format!(r#"{{"SetLimit":{{"limit":{limit}}}}}"#),
            Order::Stats => r#""Stats""#.to_owned(),
        }
    }
}

/// Returns the ledger's inputs.
pub fn orders() -> Vec<Order> {
    let mut state: u64 = 42;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(state >> 33).expect("31 bits are left")
    };
    let mut order = || {
        let (kind, account, to, amount) =
            (next() % 100, next() % ACCOUNTS, next() % ACCOUNTS, next() % 600 + 1);
        match kind {
            0..30 => Order::Deposit { account, amount },
            30..55 => Order::Withdraw { account, amount },
            55..80 => Order::Transfer { from: account, to, amount },
            80..95 => Order::Balance { account },
            95..97 => Order::SetLimit { limit: 500 + amount % 501 },
            _ => Order::Stats,
        }
    };
    (0..LENGTH).map(|_| order()).collect()
}
