"""A scanner made of pynetdicom: sends files the way its options say, one line of JSON per answer.

Each line is {"sop_instance": uid, "status": n or null}; null means that no answer came. The last line is
{"end": "released" | "aborted" | "refused" | "broken"}. Lines are written as answers arrive, so whoever
reads them knows what was acknowledged before the power went.
"""

import argparse
import json
import ssl
import time
from pathlib import Path

from pydicom import dcmread
from pynetdicom import AE


def say(**words):
    print(json.dumps(words), flush=True)


def batches(files, size):
    size = size or len(files)
    return [files[first : first + size] for first in range(0, len(files), size)]


def contexts(files):
    """One presentation context per (SOP class, transfer syntax) in the files, in order of appearance."""
    metas = [dcmread(file, stop_before_pixels=True).file_meta for file in files]
    pairs = [(meta.MediaStorageSOPClassUID, meta.TransferSyntaxUID) for meta in metas]
    return list(dict.fromkeys(pairs))


def leave_answers_to_the_sender(association):
    """Keeps pynetdicom's reactor thread from taking the answer that send_c_store waits for.

    It is paused while something is sent, but the pause is a race: on a busy machine the reactor may
    still be on its way past it, and then the answer is lost. Nobody sends us requests.
    """
    get_message = association.dimse.get_msg
    association.dimse.get_msg = lambda block=False: get_message(block) if block else (None, None)


def tls_context(options):
    """What the socket is wrapped in: nothing, or TLS that believes `--tls-ca`."""
    if not options.tls_ca:
        return None
    context = ssl.create_default_context(cafile=options.tls_ca)
    context.check_hostname = False
    if options.tls_certificate:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    return (context, None)


def send(files, options):
    """Sends the files on one association and says how it ended."""
    ae = AE(ae_title=options.calling)
    ae.maximum_pdu_size = options.max_pdu
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = options.patience
    for sop_class, syntax in contexts(files):
        ae.add_requested_context(sop_class, syntax)
    tls = tls_context(options)
    association = ae.associate(options.host, options.port, ae_title=options.called, tls_args=tls)
    if association.is_rejected:
        return "refused"
    if not association.is_established:
        return "broken"
    leave_answers_to_the_sender(association)

    for number, file in enumerate(files, start=1):
        uid = str(dcmread(file, stop_before_pixels=True).SOPInstanceUID)
        try:
            status = association.send_c_store(file, msg_id=number).get("Status")
        except (RuntimeError, ValueError):
            status = None
        say(sop_instance=uid, status=status)
        if status is None:
            return "broken"
        if number == options.abort_after:
            association.abort()
            return "aborted"
        time.sleep(options.interval)
    association.release()
    return "released"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--calling", default="CT1")
    parser.add_argument("--called", default="HEPAR")
    parser.add_argument("--max-pdu", type=int, default=16382, help="largest PDU we take; 0: any")
    parser.add_argument("--per-association", type=int, default=0, help="files on each; 0: all on one")
    parser.add_argument("--abort-after", type=int, default=0, help="abort after so many files; 0: never")
    parser.add_argument("--interval", type=float, default=0, help="seconds between two files")
    parser.add_argument("--patience", type=float, default=60, help="seconds to wait for an answer")
    parser.add_argument("--tls-ca", help="encrypt, and believe certificates of this authority")
    parser.add_argument("--tls-certificate", help="what to show a peer that asks")
    parser.add_argument("--tls-key")
    options = parser.parse_args()

    for batch in batches(options.files, options.per_association):
        end = send(batch, options)
        if end != "released":
            break
    say(end=end)


main()
