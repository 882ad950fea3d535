//! What a user of the appliance would notice, one module each.
//!
//! Every test starts the real binary and real neighbours (DCMTK, pynetdicom, Orthanc), which
//! `tests/run` installs. Inputs are phantoms, so the truth is known and nobody's data is here.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on fails where it stands"
)]
#![allow(
    clippy::print_stderr,
    reason = "a failing test shows what the programs around it said"
)]

mod ct_series;
mod harness;
mod oracle;

/// Who may not log in may not try for ever.
mod access_brute_force;
/// Each role may what it may, on every route.
mod access_by_role;
/// Another site in the user's browser can do nothing, and see nothing.
mod access_from_another_site;
/// Users come, go and change their passwords.
mod access_sessions;
/// Who sent, what went out and who was refused is recorded, here and at the syslog server.
mod audit_trail;
/// Every kind of bad sender at once: nobody starves, memory stays bounded, a clean one is served.
mod bad_neighbours;
/// Every subcommand does what its help says and ends with the code that scripts rely on.
mod command_line;
/// A damaged state directory: it starts, keeps what can be kept, and says what it set aside.
mod corrupt_state;
/// Slices that cannot be what they claim are set aside, and the next series is served.
mod damaged_slices;
/// A disk that fills up: senders are asked to wait, nothing unsent goes, and it recovers by itself.
mod disk_full;
/// A disk with room that takes nothing, or takes no journal: that is said at once.
mod disk_takes_nothing;
/// Scanners that send encrypted are heard beside those that send plain, and nobody else is.
mod encrypted_associations;
/// Results go encrypted to a PACS that is the right one, and to no other.
mod encrypted_deliveries;
/// Whichever engine runs, the same labels come out, and what ran is what is said.
mod every_engine_agrees;
/// Senders that break the rules are survived, and clean senders are served meanwhile.
mod hostile_and_broken_senders;
/// Every file that a fuzzer found, and every seed it began with, goes through every door again.
mod hostile_bytes;
/// What a package installs is accepted by systemd, closed, and in step with the program.
mod installing;
/// A new model runs within seconds, can be sent back, and only comes from a trusted maker.
mod installing_a_model;
/// A slice that comes late re-opens its series, and the result is issued again.
mod late_slice;
/// The layer that builds the appliance's image agrees with the program.
mod layer_for_yocto;
/// The mask lies where it was drawn, in every viewer, for every kind of series.
mod overlay_lands_on_the_lesion;
/// A PACS that is down, full, picky or rude gets the result once, when it can take it.
mod pacs_is_down;
/// The page in a real Chromium: live, operable, accessible, in every size and state.
mod page_in_a_browser;
/// The page of a series: pictures of every slice, and answers to addresses that nobody should ask.
mod page_series;
/// What scripts read from the page stays what its schema says.
mod page_status_schema;
/// Whoever reads the log or the page learns nothing about a patient.
mod patients_stay_unnamed;
/// The first start makes what is missing, and no start writes anything over.
mod provisioning_first_start;
/// Any scanner, PDU length and order: each slice is acknowledged and kept.
mod receiving_a_series;
/// Report and picture go beside the segmentation to whoever wants them and takes them.
mod report_and_picture;
/// The structured report agrees with the mask, and every reader with the report.
mod report_says_what_the_mask_measures;
/// The SEG arrives at any PACS, whole and the same everywhere.
mod result_reaches_the_pacs;
/// Whatever a PACS answers, or does instead of answering, the result reaches it once.
mod rude_pacs;
/// The same series again, from one scanner or from eight: one result.
mod same_series_twice;
/// What an auto-pushed study carries besides: kept, ignored, and said why.
mod series_that_are_not_ours;
/// Good and bad traffic for long: memory and open files stay flat.
mod soak;
/// SIGTERM and SIGKILL at any moment: nothing acknowledged is lost, nothing comes out twice.
mod stopping_and_restarting;
/// A PACS answers for keeping what it stored, and nothing goes before it does.
mod storage_commitment;
/// SIGKILL at random moments over every stage.
mod surviving_kills;
/// The box says how it is, tries itself and its destinations, and helps whoever helps it.
mod the_box;
/// Every transfer syntax that is accepted is decoded, and to the same picture.
mod transfer_syntaxes;
/// Series that arrive interleaved stay apart.
mod two_scanners_at_once;
/// What systemd is told: ready in time and not before, how it stands, alive, stopping.
mod under_systemd;
/// A stick brings models and systems to a box without a login, each once.
mod updating_from_a_stick;
/// A new system proves itself, or the box goes back to the old one.
mod updating_the_system;
/// Slices that memory has no room for wait on disk, and the result is the same.
mod waiting_on_disk;
/// What cannot work is one clear line and an exit code.
mod wrong_configuration;
