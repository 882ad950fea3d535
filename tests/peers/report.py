"""An archive that reports on a commitment, on an association of its own: what was asked, or whatever
else it is told to say. Prints the status that it is answered, in hexadecimal, or `rejected`,
`refused` (the context), `none` (no answer).
"""

import argparse

from pydicom.dataset import Dataset
from pynetdicom import AE, build_role
from pynetdicom.sop_class import StorageCommitmentPushModel, StorageCommitmentPushModelInstance


def references(instances, reason=None):
    items = []
    for word in instances:
        sop_class, instance = word.split("/")
        item = Dataset()
        item.ReferencedSOPClassUID = sop_class
        item.ReferencedSOPInstanceUID = instance
        if reason is not None:
            item.FailureReason = reason
        items.append(item)
    return items


def report(transaction, committed, failed, reason):
    data_set = Dataset()
    data_set.TransactionUID = transaction
    if committed:
        data_set.ReferencedSOPSequence = references(committed)
    if failed:
        data_set.FailedSOPSequence = references(failed, reason)
    return data_set


def send(assoc, data_set):
    event = 2 if "FailedSOPSequence" in data_set else 1
    answer, _ = assoc.send_n_event_report(
        data_set, event, StorageCommitmentPushModel, StorageCommitmentPushModelInstance
    )
    return f"{answer.Status:04X}" if "Status" in answer else "none"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("transaction")
    parser.add_argument("--calling", default="PACS")
    parser.add_argument("--no-role", action="store_true", help="forget to select the role")
    parser.add_argument("--committed", nargs="*", default=[], help="SOPCLASS/INSTANCE")
    parser.add_argument("--failed", nargs="*", default=[], help="SOPCLASS/INSTANCE")
    parser.add_argument("--reason", type=lambda text: int(text, 16), default=0x0112)
    options = parser.parse_args()

    ae = AE(ae_title=options.calling)
    ae.add_requested_context(StorageCommitmentPushModel)
    roles = [] if options.no_role else [build_role(StorageCommitmentPushModel, scp_role=True)]
    assoc = ae.associate(options.host, options.port, ae_title="HEPAR", ext_neg=roles)
    if assoc.is_rejected:
        print("rejected")
        return
    if not assoc.is_established:
        print("refused")
        return
    data_set = report(options.transaction, options.committed, options.failed, options.reason)
    print(send(assoc, data_set))
    assoc.release()


if __name__ == "__main__":
    main()
