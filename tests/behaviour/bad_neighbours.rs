//! Every kind of bad sender at once: nobody starves, memory stays bounded, a clean one is served.

use std::{
    net::SocketAddr,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use crate::harness::{
    appliance::Hepar,
    figures,
    modality::Modality,
    phantoms::Series,
    wire::{
        ASSOCIATE_AC, ASSOCIATE_RQ, COMMAND, CT_IMAGE_STORAGE, Context, EXPLICIT_VR_LITTLE_ENDIAN,
        LAST, P_DATA, Wire, association_request, store_request,
    },
};

const STORING: [Context<'_>; 1] = [(1, CT_IMAGE_STORAGE, &[EXPLICIT_VR_LITTLE_ENDIAN])];

/// Sends `slices` objects of the size of a CT slice, and says how many a second were acknowledged.
/// They cannot be read as images, so that the engine takes no part in the comparison.
fn rate(to: SocketAddr, sender: usize, round: usize, slices: u16) -> f64 {
    let mut wire = Wire::connect(to);
    let title = format!("SCANNER{sender}");
    let answer = wire.request_association(&title, "HEPAR", 16384, &STORING);
    assert_eq!(answer.unwrap().kind, ASSOCIATE_AC);
    let start = Instant::now();
    for slice in 1..=slices {
        let data = vec![(slice % 251) as u8; 512 * 512 * 2];
        let instance = format!("1.2.{}.{}.{slice}", sender + 1, round + 1);
        let command = store_request(slice, CT_IMAGE_STORAGE, &instance);
        wire.send_fragments(&[(1, COMMAND | LAST, &command)]);
        for (n, chunk) in data.chunks(65536).enumerate() {
            let last = if (n + 1) * 65536 >= data.len() {
                LAST
            } else {
                0
            };
            wire.send_fragments(&[(1, last, chunk)]);
        }
        assert_eq!(wire.receive_response(), Some((slice, 0x0000)));
    }
    let took = start.elapsed();
    wire.release();
    f64::from(slices) / took.as_secs_f64()
}

#[test]
fn of_eight_senders_at_once_none_falls_below_a_sixteenth_of_its_rate_alone() {
    let hepar = Hepar::start();
    let address = hepar.address();
    let slices = 12;
    rate(address, 0, 0, slices);
    let alone = rate(address, 0, 1, slices);
    // The share is what counts; a machine that is busy with something else for a moment is not it.
    let mut best: f64 = 0.0;
    for round in 2..5 {
        let senders: Vec<_> = (0..8)
            .map(|sender| thread::spawn(move || rate(address, sender, round, slices)))
            .collect();
        let rates = senders.into_iter().map(|sender| sender.join().unwrap());
        best = best.max(rates.fold(f64::INFINITY, f64::min));
        if best >= alone / 16.0 {
            break;
        }
    }
    let share = best / alone;
    assert!(share >= 1.0 / 16.0, "{best:.1} of {alone:.1} slices/s");
    figures::report(
        "fairness",
        &format!("| 1 | {alone:.0} | |\n| 8 | {best:.0} (the slowest) | {share:.2} |"),
    );
}

/// Does `act` again and again until told to stop.
fn keep_on(stop: &AtomicBool, mut act: impl FnMut()) {
    while !stop.load(Ordering::Relaxed) {
        act();
        thread::sleep(Duration::from_millis(50));
    }
}

/// What is done by whoever calls himself `title`; returns how often.
pub fn misbehave(to: SocketAddr, kind: &str, stop: &AtomicBool) -> u32 {
    let mut times = 0;
    let request = association_request(kind, "HEPAR", 16384, &STORING);
    let associate = || {
        let mut wire = Wire::connect(to);
        let answer = wire.request_association(kind, "HEPAR", 16384, &STORING)?;
        (answer.kind == ASSOCIATE_AC).then_some(wire)
    };
    match kind {
        "IDLE" => {
            // Far more than there are places; each stays until the end.
            let held: Vec<_> = (0..200).map(|_| associate()).collect();
            times = held.len() as u32;
            keep_on(stop, || {});
        }
        "TRICKLING" => {
            let mut wire = Wire::connect(to);
            let mut bytes = request.iter().cycle();
            keep_on(stop, || {
                wire.send_bytes(&[*bytes.next().unwrap()]);
                times += 1;
            });
        }
        "GARBAGE" => keep_on(stop, || {
            let noise: Vec<u8> = (0..50_000_u32)
                .map(|i| (i.wrapping_add(times).wrapping_mul(2_654_435_761) >> 11) as u8)
                .collect();
            Wire::connect(to).send_bytes(&noise);
            if let Some(mut wire) = associate() {
                wire.send(P_DATA, &noise);
            }
            times += 1;
        }),
        "HUGE" => keep_on(stop, || {
            Wire::connect(to).send_bytes(&[ASSOCIATE_RQ, 0, 0xFF, 0xFF, 0xFF, 0xFF]);
            if let Some(mut wire) = associate() {
                wire.send_bytes(&[
                    P_DATA, 0, 0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFA, 1, 3,
                ]);
            }
            times += 1;
        }),
        // A data set without end; at 64 MB the sender falls silent, and never releases.
        "ENDLESS" => {
            if let Some(mut wire) = associate() {
                let command = store_request(1, CT_IMAGE_STORAGE, "1.2.3.4");
                wire.send_fragments(&[(1, COMMAND | LAST, &command)]);
                let chunk = vec![7; 100_000];
                keep_on(stop, || {
                    if times < 640 {
                        wire.send_fragments(&[(1, 0, &chunk)]);
                        times += 1;
                    }
                });
            }
        }
        other => panic!("{other} is no way to misbehave"),
    }
    times
}

#[test]
fn a_clean_sender_is_served_among_all_kinds_of_bad_ones_and_memory_stays_bounded() {
    let hepar = Hepar::start();
    let clean = |seed| {
        let series = Series::small_abdomen(seed);
        Modality::dcmsend(&[])
            .send(hepar.address(), &series.files)
            .expect_all(series.len());
        let end = hepar.wait_for_state(&series.uid, "delivered");
        assert_eq!(end["instances_received"], 24, "{end}");
    };
    clean(1500);
    let (memory, files) = (hepar.process_figure("VmHWM:"), hepar.open_files());

    let stop = AtomicBool::new(false);
    let address = hepar.address();
    thread::scope(|threads| {
        let kinds = ["IDLE", "TRICKLING", "GARBAGE", "HUGE", "ENDLESS"];
        let bad = kinds.map(|kind| {
            let stop = &stop;
            (kind, threads.spawn(move || misbehave(address, kind, stop)))
        });
        let shared = Series::small_abdomen(1501);
        let same: Vec<_> = (0..8)
            .map(|_| {
                Modality::dcmsend(&[])
                    .named("EIGHT")
                    .start(address, &shared.files)
            })
            .collect();
        clean(1502);
        for sending in same {
            sending.finish().expect_all(shared.len());
        }
        clean(1503);
        stop.store(true, Ordering::Relaxed);
        for (kind, thread) in bad {
            assert!(thread.join().unwrap() > 0, "{kind} never got to it");
        }
    });
    let peak = hepar.process_figure("VmHWM:");
    let grown = peak.saturating_sub(memory) / 1024;
    // 4 MiB and two receive buffers for each of 32 associations, the endless data set's 64 MB, and
    // what three more series in work cost.
    assert!(
        grown < 400,
        "{} MB became {} MB",
        memory / 1024,
        peak / 1024
    );
    clean(1504);
    figures::report(
        "bad-neighbours",
        &format!(
            "| peak memory | {} MB after one clean series | {} MB after all of it |\n\
             | open files | {files} | {} |",
            memory / 1024,
            peak / 1024,
            hepar.open_files()
        ),
    );
}
