//! Clients that keep accounts: each of what it sent, what was acknowledged, and what is in doubt.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

use camshaft_tests::{Agent, Client, Random};
use serde_json::{Value, json};

use crate::bank::{ACCOUNTS, UNLUCKY};

/// How a client sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// One payment after another.
    Single,
    /// Up to twelve payments at a time, in one request.
    Batch,
    /// Deposits into the account that tills pay to as well.
    Deposit,
}

/// A payment, and how it ends whenever it is applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Payment {
    pub to: String,
    pub by: u64,
}

impl Payment {
    fn any(random: &mut Random) -> Payment {
        Payment { to: format!("a{}", random.below(ACCOUNTS)), by: 1 + random.below(20) }
    }

    /// Returns true when it is applied, and not refused by a trap.
    pub fn counts(&self) -> bool {
        self.by != UNLUCKY
    }
}

/// What receivers got: how much, in how many payments.
pub type Sums = BTreeMap<String, (u64, u64)>;

fn add(sums: &mut Sums, payment: &Payment) {
    let (sum, count) = sums.entry(payment.to.clone()).or_default();
    (*sum, *count) = (*sum + payment.by, *count + 1);
}

/// What a client knows.
#[derive(Debug, Default)]
pub struct Account {
    /// How many messages have an answer; the next one has this number and one.
    pub answered: u64,
    /// How many of them were applied.
    pub paid: u64,
    /// What they came to, by receiver.
    pub sums: Sums,
    /// What was sent and has no answer: nobody knows how much of it was applied, from the front.
    pub doubtful: Vec<Payment>,
    /// Why something was sent again whose answer came only then, each time.
    pub retries: Vec<String>,
    /// How often what is in doubt was sent.
    attempts: u64,
}

impl Account {
    fn acknowledge(&mut self, payment: &Payment) {
        self.answered += 1;
        if payment.counts() {
            self.paid += 1;
            add(&mut self.sums, payment);
        }
    }

    /// Returns what each receiver gets when so many of the payments in doubt were applied.
    pub fn sums_with(&self, doubtful: usize) -> Sums {
        let mut sums = self.sums.clone();
        for payment in self.doubtful.iter().filter(|payment| payment.counts()).take(doubtful) {
            add(&mut sums, payment);
        }
        sums
    }
}

/// Where clients send to. Who reads it is about to send: so nobody sends while it is being changed.
type Aim = Arc<RwLock<Option<String>>>;

/// A client, in a thread of its own.
#[derive(Debug)]
pub struct Payer {
    pub name: String,
    pub manner: Manner,
    pub account: Arc<Mutex<Account>>,
}

/// All clients.
pub struct Load {
    pub payers: Vec<Payer>,
    aim: Aim,
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Load {
    pub fn start(manners: &[Manner], random: &mut Random) -> Load {
        let (aim, stop) = (Aim::default(), Arc::new(AtomicBool::new(false)));
        let (mut payers, mut threads) = (vec![], vec![]);
        for (index, manner) in manners.iter().enumerate() {
            let name = format!("c{index}");
            let account = Arc::new(Mutex::new(Account::default()));
            payers.push(Payer { name: name.clone(), manner: *manner, account: account.clone() });
            let (aim, stop, random, manner) = (aim.clone(), stop.clone(), random.fork(), *manner);
            threads.push(std::thread::spawn(move || {
                let mut sender = Sender { name, manner, account, random, why: String::new() };
                let mut node: Option<(String, Client)> = None;
                while !stop.load(Ordering::SeqCst) {
                    let url = aim.read().expect("nobody panics with the lock");
                    let Some(aimed) = &*url else {
                        drop(url);
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    };
                    if node.as_ref().is_none_or(|(known, _)| known != aimed) {
                        node = Some((aimed.clone(), Client::new(aimed)));
                    }
                    if let Some((_, client)) = &node {
                        sender.round(client);
                    }
                }
            }));
        }
        Load { payers, aim, stop, threads }
    }

    /// Lets the clients send to an agent, or to nobody: then nothing is under way when this returns.
    pub fn aim(&self, agent: Option<&Agent>) {
        *self.aim.write().expect("nobody panics with the lock") = agent.map(|agent| agent.url().to_owned());
    }

    /// Returns how many messages were acknowledged in all.
    pub fn acknowledged(&self) -> u64 {
        self.payers.iter().map(|payer| payer.account.lock().expect("no panic").answered).sum()
    }

    /// Expects that no client met an answer that it did not expect.
    pub fn check(&self) {
        assert!(!self.threads.iter().any(JoinHandle::is_finished), "a client met something unexpected");
    }

    pub fn end(self) {
        self.stop.store(true, Ordering::SeqCst);
        for thread in self.threads {
            thread.join().expect("the clients met only answers that they know");
        }
    }
}

struct Sender {
    name: String,
    manner: Manner,
    account: Arc<Mutex<Account>>,
    random: Random,
    /// Why what was sent last has no answer.
    why: String,
}

impl Sender {
    /// Sends what is in doubt, or else something new, and takes in what is answered.
    fn round(&mut self, client: &Client) {
        let mut account = self.account.lock().expect("nobody panics with the lock");
        if account.doubtful.is_empty() {
            let count = if self.manner == Manner::Batch { 1 + self.random.below(12) } else { 1 };
            account.doubtful = (0..count).map(|_| Payment::any(&mut self.random)).collect();
            if self.manner == Manner::Deposit {
                account.doubtful = vec![Payment { to: "a0".to_owned(), by: 1 + self.random.below(12) }];
            }
        }
        account.attempts += 1;
        let (first, payments) = (account.answered + 1, account.doubtful.clone());
        let paid = account.paid;
        // Others look at the account while this waits.
        drop(account);
        let known = match self.manner {
            Manner::Batch => self.batch(client, first, paid, &payments),
            Manner::Single | Manner::Deposit => self.single(client, first, paid, &payments[0]),
        };
        let mut account = self.account.lock().expect("nobody panics with the lock");
        for payment in &payments[..known] {
            account.acknowledge(payment);
        }
        account.doubtful.drain(..known);
        if known > 0 {
            if account.attempts > 1 {
                account.retries.push(std::mem::take(&mut self.why));
            }
            account.attempts = 0;
        }
        // The rest keeps its numbers, and is sent again as it is.
    }

    fn input(&self, payment: &Payment) -> (String, Value) {
        match self.manner {
            Manner::Deposit => {
                (format!("bank/account/{}", payment.to), json!({"Deposit": {"by": payment.by}}))
            }
            Manner::Single | Manner::Batch => {
                let pay = json!({"Pay": {"to": payment.to, "by": payment.by}});
                (format!("bank/till/{}", self.name), pay)
            }
        }
    }

    /// Expects that an applied payment was the next one of its till.
    fn expect(&self, output: &Value, nth: u64, context: &str) {
        let case = if self.manner == Manner::Deposit { "Deposited" } else { "Paid" };
        assert_eq!(*output, json!({ case: { "nth": nth } }), "{} {context}", self.name);
    }

    /// Notes why something is to be sent again; returns that nothing of it is answered.
    fn again(&mut self, why: &str) -> usize {
        self.why = why.to_owned();
        0
    }

    /// Returns how many of the payments have an answer now.
    fn single(&mut self, client: &Client, number: u64, paid: u64, payment: &Payment) -> usize {
        let (to, input) = self.input(payment);
        let id = format!("{}/{number}", self.name);
        let headers = [("camshaft-message", id.as_str())];
        match client.post(&format!("/v1/apps/{to}"), &headers, input.to_string()) {
            Ok(answered) if answered.status == 200 => {
                assert!(payment.counts(), "{id}: {answered:?}");
                self.expect(&answered.json(), paid + 1, &id);
                1
            }
            Ok(answered) if answered.status == 422 => {
                assert!(!payment.counts(), "{id}: {answered:?}");
                1
            }
            // Busy, or about to stop: the same again.
            Ok(answered) if matches!(answered.status, 429 | 503) => self.again(&format!("{answered:?}")),
            Ok(answered) => panic!("{id}: {answered:?}"),
            Err(error) => self.again(&format!("{error:?}")),
        }
    }

    fn batch(&mut self, client: &Client, first: u64, mut paid: u64, payments: &[Payment]) -> usize {
        let line = |(number, payment): (u64, &Payment)| {
            let (to, input) = self.input(payment);
            json!({ "to": to, "input": input, "message": format!("{}/{number}", self.name) }).to_string()
                + "\n"
        };
        let body: String = (first..).zip(payments).map(line).collect();
        let answered = match client.post("/v1/batch", &[], body) {
            Ok(answered) if answered.status == 200 => answered.body,
            Ok(answered) if matches!(answered.status, 429 | 503) => {
                return self.again(&format!("{answered:?}"));
            }
            Ok(answered) => panic!("{} from {first}: {answered:?}", self.name),
            // The lines that came before the end are lost with it; all are sent again.
            Err(error) => return self.again(&format!("{error:?}")),
        };
        let mut known = 0;
        for (line, payment) in answered.lines().zip(payments) {
            let answer: Value = serde_json::from_str(line).expect("a whole line of JSON");
            if answer["line"] != known + 1 {
                assert_ne!(answer["problem"], Value::Null, "{line}");
                self.again(line);
                break;
            }
            match answer["problem"]["code"].as_str() {
                None => {
                    paid += 1;
                    self.expect(&answer["output"], paid, line);
                }
                Some("trap") => assert!(!payment.counts(), "{line}"),
                Some("busy" | "stopping") => {
                    self.again(line);
                    break;
                }
                Some(_) => panic!("{} from {first}: {line}", self.name),
            }
            known += 1;
        }
        known
    }
}
