"""pynetdicom as a receiver that writes files, as its documentation shows: receiver.py PORT DIRECTORY AE_TITLE."""

import sys
from pathlib import Path

from pynetdicom import AE, AllStoragePresentationContexts, evt


def store(event):
    path = DIRECTORY / event.request.AffectedSOPInstanceUID
    path.write_bytes(event.encoded_dataset())
    return 0x0000


port, DIRECTORY, title = int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
ae = AE(ae_title=title)
ae.supported_contexts = AllStoragePresentationContexts
ae.start_server(("127.0.0.1", port), evt_handlers=[(evt.EVT_C_STORE, store)])
