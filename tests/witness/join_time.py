"""LiveKit's own SDK joins once for each line `URL TOKEN`, and prints the milliseconds it took."""

import asyncio
import sys
import time

from livekit import rtc


async def main():
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        url, token = line.split()
        room = rtc.Room()
        began = time.perf_counter()
        await room.connect(url, token)
        took = time.perf_counter() - began
        print(f"{took * 1000:.3f}", flush=True)
        await room.disconnect()


asyncio.run(main())
