//! Looking at what is parked: messages, timers and calls that were not delivered and are kept.

use camshaft_cam::digest::Digest;
use camshaft_cam::ty::Ty;
use camshaft_cam::value::Value;
use camshaft_manifests::InstanceAddress;
use camshaft_store::{MailOrigin, MailSnapshot, Parked, ParkedItem};

use super::Shard;
use crate::api::{ParkedKind, ParkedStatus};
use crate::speech::{edge, takes};

/// How much of an input is shown, in characters.
const SHOWN_MAX: usize = 4_096;

/// The place of something in the list of what is parked: the instance, and the how manieth of it, from 1.
pub type ParkedPlace = (InstanceAddress, u64);

impl Shard {
    /// Returns what is parked of one instance after a place: what lives first, then what is archived of it.
    pub fn parked_of(
        &self,
        address: &InstanceAddress,
        after: Option<&ParkedPlace>,
    ) -> Vec<(ParkedPlace, ParkedStatus)> {
        let lives = self.table.get(address).map(|instance| (&instance.rest().parked, true));
        let from = (address.clone(), Digest::from_bytes([0; 32]), 0);
        let archived = self.archive.range(from..).take_while(|((at, ..), _)| at == address);
        let all = lives.into_iter().chain(archived.map(|(_, saved)| (&saved.parked, false)));
        let all = all.flat_map(|(parked, live)| parked.iter().map(move |parked| (parked, live)));
        (1..)
            .zip(all)
            .map(|(number, (parked, live))| ((address.clone(), number), parked, live))
            .filter(|(place, ..)| after.is_none_or(|after| place > after))
            .map(|(place, parked, live)| {
                let status = self.parked_status(&place, parked, live);
                (place, status)
            })
            .collect()
    }

    fn parked_status(&self, (address, number): &ParkedPlace, parked: &Parked, live: bool) -> ParkedStatus {
        let mut status = ParkedStatus {
            instance: address.to_string(),
            number: *number,
            what: ParkedKind::Call,
            why: parked.reason.clone(),
            switch: parked.switch,
            archived: !live,
            from: None,
            name: None,
            writer: None,
            bytes: 0,
            input: None,
            cut: false,
        };
        match &parked.item {
            ParkedItem::Mail(mail) => {
                status.what = ParkedKind::Message;
                status.from = sender(mail);
                self.show(&mut status, address, mail.writer, &mail.input);
            }
            ParkedItem::Timer(timer) => {
                status.what = ParkedKind::Timer;
                status.name = Some(timer.name.clone());
                self.show(&mut status, address, timer.writer, &timer.input);
            }
            // What goes to a port has left the types of the machine, and with them what is secret.
            ParkedItem::Call(call) => {
                status.name = Some(call.port.clone());
                status.bytes = call.message.len() as u64;
            }
        }
        status
    }

    /// Shows an input in its JSON form, without what is secret, when its type is known here.
    fn show(&self, status: &mut ParkedStatus, address: &InstanceAddress, writer: Digest, input: &[u8]) {
        status.writer = Some(writer);
        status.bytes = input.len() as u64;
        let json = |ty: &Ty| Value::from_binary(input, ty).ok().map(|value| value.to_json_redacted(ty));
        let Some(json) = self.input_type(address, writer).and_then(|ty| json(&ty)) else { return };
        let shown: String = json.chars().take(SHOWN_MAX).collect();
        status.cut = shown.len() < json.len();
        status.input = Some(shown);
    }

    /// Returns the input type of a machine that runs, or that an edge leads here from.
    fn input_type(&self, address: &InstanceAddress, writer: Digest) -> Option<Ty> {
        let release = self.release.as_ref()?;
        let machine = address.machine_address();
        let code = release.machine(&machine)?;
        if code.digest() == writer {
            return Some(code.verified.input().clone());
        }
        let edge = edge(&release.resolved, &release.edges, &machine, writer)?;
        Some(takes(&edge, edge.edge().lift).clone())
    }
}

fn sender(mail: &MailSnapshot) -> Option<String> {
    match &mail.origin {
        MailOrigin::Message { sender, .. } => Some(sender.clone()),
        MailOrigin::Answer { receiver, .. } => Some(receiver.clone()),
        MailOrigin::Port { .. } | MailOrigin::Relup { .. } => None,
    }
}
