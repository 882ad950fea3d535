"""A PACS made of pynetdicom that keeps a ledger, and misbehaves as it is told.

Prints {"listening": port} once it does, then one line of JSON for each C-STORE request as it is
answered: {"sop_instance", "sop_class", "transfer_syntax", "calling", "association", "status"}. An
instance answered with success or a warning is in the directory as UID.dcm, as received.

`--script` says what the n-th request meets; when it is used up, every further one is a success. Words:
a status in hexadecimal (A700), `abort` (instead of an answer), `stall` (no answer at all).

With `--commit` it takes requests to commit, and prints {"transaction", "objects", "status"} for each.
What the n-th request meets: `same` (a report on the same association that all is committed),
`missing` (one that nothing is there), `never` (no report), or a status in hexadecimal. The last word
holds for all further ones. Once such a report is answered it prints {"reported", "answer"}.
"""

import argparse
import itertools
import json
import ssl
import threading
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt
from pynetdicom.sop_class import SegmentationStorage, StorageCommitmentPushModel, Verification

import report

SYNTAXES = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2"]


def say(**words):
    print(json.dumps(words), flush=True)


def is_kept(status):
    return status in (0x0000, 0x0001, 0x0111) or 0xB000 <= status <= 0xBFFF


class Pacs:
    def __init__(self, options):
        self.directory = options.directory
        self.script = iter(options.script.split(",") if options.script else [])
        words = options.commit.split(",")
        self.commitments = itertools.chain(words, itertools.repeat(words[-1]))
        self.numbers = itertools.count(1)
        self.lock = threading.Lock()
        self.never = threading.Event()

    def established(self, event):
        event.assoc.number = next(self.numbers)

    def store(self, event):
        with self.lock:
            word = next(self.script, "0000")
        request = event.request
        entry = {
            "sop_instance": str(request.AffectedSOPInstanceUID),
            "sop_class": str(request.AffectedSOPClassUID),
            "transfer_syntax": str(event.context.transfer_syntax),
            "calling": event.assoc.requestor.ae_title,
            "association": event.assoc.number,
        }
        if word == "abort":
            say(**entry, status=None)
            event.assoc.abort()
            return 0x0000
        if word == "stall":
            say(**entry, status=None)
            self.never.wait()
        status = int(word, 16)
        if is_kept(status):
            part = self.directory / f"{entry['sop_instance']}.part"
            part.write_bytes(event.encoded_dataset())
            part.rename(part.with_suffix(".dcm"))
        say(**entry, status=status)
        return status


    def commit(self, event):
        with self.lock:
            word = next(self.commitments)
        asked = event.action_information
        objects = [
            f"{item.ReferencedSOPClassUID}/{item.ReferencedSOPInstanceUID}" for item in asked.ReferencedSOPSequence
        ]
        transaction = str(asked.TransactionUID)
        status = 0x0000 if word in ("same", "missing", "never") else int(word, 16)
        say(transaction=transaction, objects=objects, status=status)
        if word in ("same", "missing"):
            committed, failed = (objects, []) if word == "same" else ([], objects)
            data_set = report.report(transaction, committed, failed, 0x0112)
            # Once the request is answered.
            threading.Timer(0.2, self.report, [event.assoc, data_set]).start()
        return status, None

    def report(self, assoc, data_set):
        say(reported=str(data_set.TransactionUID), answer=report.send(assoc, data_set))


def tls_context(options):
    """What sockets are wrapped in: nothing, or TLS that asks for a certificate of `--tls-ca`."""
    if not options.tls_certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=options.tls_ca)
    context.load_cert_chain(options.tls_certificate, options.tls_key)
    if options.tls_ca:
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--ae-title", default="PACS")
    parser.add_argument("--max-pdu", type=int, default=16382, help="largest PDU we take; 0: any")
    parser.add_argument("--script", default="", help="comma-separated words, see above")
    parser.add_argument("--reject", action="store_true", help="refuse every association")
    parser.add_argument("--no-seg", action="store_true", help="accept every storage class but Segmentation")
    parser.add_argument("--without", default="", help="comma-separated storage classes not accepted either")
    parser.add_argument("--implicit-only", action="store_true", help="accept Implicit VR Little Endian only")
    parser.add_argument("--commit", default="", help="take requests to commit; comma-separated words, see above")
    parser.add_argument("--tls-certificate", help="encrypt, as this")
    parser.add_argument("--tls-key")
    parser.add_argument("--tls-ca", help="take only peers with a certificate of this authority")
    options = parser.parse_args()

    ae = AE(ae_title=options.ae_title)
    ae.maximum_pdu_size = options.max_pdu
    ae.require_called_aet = True
    if options.reject:
        ae.require_calling_aet = ["NOBODY"]
    syntaxes = SYNTAXES[1:] if options.implicit_only else SYNTAXES
    unwanted = options.without.split(",") + [SegmentationStorage] * options.no_seg
    for context in AllStoragePresentationContexts:
        if context.abstract_syntax not in unwanted:
            ae.add_supported_context(context.abstract_syntax, syntaxes)
    ae.add_supported_context(Verification)
    if options.commit:
        ae.add_supported_context(StorageCommitmentPushModel)

    pacs = Pacs(options)
    handlers = [
        (evt.EVT_ESTABLISHED, pacs.established),
        (evt.EVT_C_STORE, pacs.store),
        (evt.EVT_C_ECHO, lambda event: 0x0000),
        (evt.EVT_N_ACTION, pacs.commit),
    ]
    tls = tls_context(options)
    server = ae.start_server((options.host, options.port), block=False, evt_handlers=handlers, ssl_context=tls)
    say(listening=options.port)
    pacs.never.wait()
    server.shutdown()


main()
