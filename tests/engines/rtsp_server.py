"""An RTSP camera for tests, run by Debian's own Python, the one that sees `gi`.

Usage: rtsp_server.py PORT WIDTH HEIGHT FPS GOP BFRAMES RECORDING. Serves /camera until its standard input closes: a camera,
or if one is named a recording, an MP4 of H.264.
"""

import sys

import gi  # type: ignore[import-not-found]

gi.require_version("Gst", "1.0")
gi.require_version("GstRtspServer", "1.0")

from gi.repository import GLib, Gst, GstRtspServer  # type: ignore[import-not-found]  # noqa: E402  (versions first)

port, width, height, fps, gop, b_frames = (int(argument) for argument in sys.argv[1:7])
recording = sys.argv[7]

Gst.init(None)
factory = GstRtspServer.RTSPMediaFactory()
camera = (
    f"videotestsrc is-live=true pattern=ball ! video/x-raw,width={width},height={height},framerate={fps}/1,format=I420"
    f" ! x264enc {'tune=zerolatency' if not b_frames else ''} speed-preset=ultrafast bframes={b_frames}"
    f" key-int-max={gop} bitrate=800 threads=1"
)
pictures = f"filesrc location={recording} ! qtdemux ! h264parse" if recording else camera
factory.set_launch(f"( {pictures} ! rtph264pay name=pay0 pt=96 config-interval=1 )")
factory.set_shared(not recording)
server = GstRtspServer.RTSPServer()
server.set_address("127.0.0.1")
server.set_service(str(port))
server.get_mount_points().add_factory("/camera", factory)
if not server.attach(None):
    sys.exit(f"port {port} is taken")
loop = GLib.MainLoop()
# Whoever started it may be killed, and cannot end it then.
GLib.io_add_watch(sys.stdin.fileno(), GLib.PRIORITY_DEFAULT, GLib.IO_HUP, lambda *_: loop.quit())
loop.run()
