"""The packet engine: forwards RTP between the peers of a call without decoding it.

It knows calls, peers and tracks; no rooms, no database, no HTTP. One UDP port serves every peer.

- ``engine``: the calls of one worker, the demultiplexer, the timers
- ``call``, ``peer``, ``track``: who is in a call, one PeerConnection, one published stream
- ``negotiation``, ``sdp``: the layout and versions of offers; writing them, reading answers
- ``ice``, ``dtls``, ``port``: connectivity checks, keys, the socket
- ``rtp``, ``rtcp``, ``reception``, ``quality``: packets, reports, loss, levels

Everything below ``engine`` and ``port`` is free of clocks: ``now`` (monotonic seconds) is passed
in.
"""
