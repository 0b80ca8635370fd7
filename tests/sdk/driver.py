"""Answers for the Python SDK: a line for each question on stdin. It runs on Python 3.7."""

import binascii
import sys

sys.path.insert(0, sys.argv[1])
import popbridge_protocol as protocol


def answer(words):
    # type: (list) -> str
    if words[0] == "proof":
        return "%s %s" % (protocol.server_proof(*words[1:]), protocol.client_proof(*words[1:]))
    frame = binascii.unhexlify(words[1])
    try:
        if words[0] == "value":
            again = protocol.pack(protocol.unpack(frame))
        elif words[0] == "server":
            again = protocol.encode(protocol.decode(frame))
        else:
            again = protocol.encode(protocol._message(frame, protocol.CLIENT_MESSAGES))
        return "again %s" % binascii.hexlify(again).decode()
    except protocol.ProtocolError as error:
        return "refused %d %s" % (error.code, error.field)


for line in sys.stdin:
    # An empty frame and an empty fingerprint are words too.
    sys.stdout.write(answer(line.rstrip("\n").split(" ")) + "\n")
