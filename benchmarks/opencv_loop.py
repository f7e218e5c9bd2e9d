"""What people write to extract frames with OpenCV: python -m benchmarks.opencv_loop VIDEO SECONDS OUT"""

import sys

import cv2


def main() -> None:
    """Read every frame, and write the one of every so many seconds."""
    path, seconds, out = sys.argv[1:]
    video = cv2.VideoCapture(path)
    every = round(video.get(cv2.CAP_PROP_FPS) * float(seconds))
    number = 0
    while True:
        read, frame = video.read()
        if not read:
            break
        if number % every == 0:
            cv2.imwrite(f"{out}/{number}.jpg", frame)
        number += 1
    video.release()


if __name__ == "__main__":
    main()
