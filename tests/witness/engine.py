"""LiveKit's own SDK against the embedded engine: two users and session control.

Usage: engine.py URL, with LIVEKIT_API_KEY and LIVEKIT_API_SECRET in the environment. Prints one
line of JSON for each thing seen, and ends with 0 when all of them were.
"""

import asyncio
import json
import sys
import time

from livekit import api, rtc

URL = sys.argv[1]
ROOM = "witness"
PATIENCE = 20


def saw(what, **facts):
    print(json.dumps({"saw": what, **facts}), flush=True)


def token(identity, **grants):
    video = api.VideoGrants(room_join=True, room=ROOM, **grants)
    access = api.AccessToken().with_identity(identity).with_name(identity.title())
    return access.with_attributes({"role": "participant"}).with_grants(video).to_jwt()


class User:
    """One user, and what it hears."""

    def __init__(self, identity):
        self.identity = identity
        self.room = rtc.Room()
        self.heard = []
        self.changed = asyncio.Event()
        for event in (
            "participant_connected",
            "participant_disconnected",
            "participant_name_changed",
            "participant_attributes_changed",
            "participant_metadata_changed",
            "room_metadata_changed",
            "track_published",
            "track_unpublished",
            "track_muted",
            "data_received",
            "disconnected",
        ):
            self.room.on(event, lambda *facts, event=event: self.hear(event, facts))

    def hear(self, event, facts):
        self.heard.append((event, facts))
        self.changed.set()

    async def join(self, **grants):
        began = time.monotonic()
        await self.room.connect(URL, token(self.identity, **grants))
        saw("joined", identity=self.identity, ms=round((time.monotonic() - began) * 1000))

    async def wait(self, event, fits=lambda *_: True):
        """The facts of an event that fits, heard already or soon."""

        async def find():
            while True:
                for name, facts in self.heard:
                    if name == event and fits(*facts):
                        return facts
                self.changed.clear()
                await self.changed.wait()

        try:
            return await asyncio.wait_for(find(), PATIENCE)
        except TimeoutError as error:
            names = [name for name, _ in self.heard]
            raise AssertionError(f"{self.identity} heard no fitting {event}: {names}") from error


async def presence(alice, bob, control):
    await alice.join()
    await bob.join()
    (joined,) = await alice.wait("participant_connected")
    assert (joined.identity, joined.name) == ("bob", "Bob"), joined
    assert joined.attributes == {"role": "participant"}, joined.attributes
    assert set(bob.room.remote_participants) == {"alice"}, bob.room.remote_participants
    listed = await control.room.list_participants(api.ListParticipantsRequest(room=ROOM))
    assert {it.identity for it in listed.participants} == {"alice", "bob"}, listed
    rooms = await control.room.list_rooms(api.ListRoomsRequest())
    assert [it.name for it in rooms.rooms] == [ROOM], rooms
    saw("presence")


async def names(alice, bob, control):
    await control.room.update_participant(
        api.UpdateParticipantRequest(
            room=ROOM, identity="bob", name="Robert", attributes={"role": "manager"}
        )
    )
    await alice.wait("participant_name_changed", lambda who, _, name: name == "Robert")
    await bob.wait("participant_name_changed", lambda who, _, name: name == "Robert")
    await alice.wait("participant_attributes_changed", lambda changed, _: changed == {"role": "manager"})
    saw("renamed by session control")
    # The SDK does not tell its caller that this is refused; it must not have happened.
    await bob.room.local_participant.set_name("Mallory")
    one = await control.room.get_participant(api.RoomParticipantIdentity(room=ROOM, identity="bob"))
    assert one.name == "Robert", one
    saw("renaming oneself is refused")
    await control.room.update_room_metadata(
        api.UpdateRoomMetadataRequest(room=ROOM, metadata="locked")
    )
    await bob.wait("room_metadata_changed", lambda _, new: new == "locked")
    saw("metadata of the room")


async def data(alice, bob, control):
    for reliable in (True, False):
        topic = f"reliable {reliable}"
        await alice.room.local_participant.publish_data("hello", reliable=reliable, topic=topic)
        fits = lambda packet, topic=topic: packet.topic == topic
        (packet,) = await bob.wait("data_received", fits)
        assert packet.data == b"hello" and packet.participant.identity == "alice", packet
        saw("data", reliable=reliable)
    # More than waits for anybody at once: nothing is lost, and all in order.
    for n in range(400):
        await alice.room.local_participant.publish_data(f"{n:04}" * 3500, topic="many")
    await bob.wait("data_received", lambda packet: packet.data.startswith(b"0399"))
    many = [facts[0].data[:4] for name, facts in bob.heard if name == "data_received"]
    assert many[2:] == [f"{n:04}".encode() for n in range(400)], many
    saw("much data")
    await bob.room.local_participant.publish_data(
        "back", topic="back", destination_identities=["alice"]
    )
    (packet,) = await alice.wait("data_received", lambda packet: packet.topic == "back")
    assert packet.participant.identity == "bob", packet
    await control.room.send_data(
        api.SendDataRequest(
            room=ROOM, data=b"asked", topic="control", destination_identities=["bob"]
        )
    )
    (packet,) = await bob.wait("data_received", lambda packet: packet.topic == "control")
    assert packet.data == b"asked" and packet.participant is None, packet
    await asyncio.sleep(0.2)
    stray = [facts for name, facts in alice.heard if name == "data_received"]
    assert len(stray) == 1, stray
    saw("data to some")


async def tracks(alice, bob, control):
    source = rtc.AudioSource(48000, 1)
    track = rtc.LocalAudioTrack.create_audio_track("mic", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await bob.room.local_participant.publish_track(track, options)
    published, _ = await alice.wait("track_published")
    assert published.sid == publication.sid, (published, publication)
    saw("track announced")
    await control.room.mute_published_track(
        api.MuteRoomTrackRequest(room=ROOM, identity="bob", track_sid=published.sid, muted=True)
    )
    await alice.wait("track_muted", lambda who, _: who.identity == "bob")
    await bob.wait("track_muted", lambda who, _: who.identity == "bob")
    saw("track muted by session control")
    await bob.room.local_participant.unpublish_track(publication.sid)
    await alice.wait("track_unpublished")
    saw("track gone")


async def ends(alice, bob, control):
    await control.room.remove_participant(
        api.RoomParticipantIdentity(room=ROOM, identity="bob")
    )
    (reason,) = await bob.wait("disconnected")
    assert reason == 4, reason
    (gone,) = await alice.wait("participant_disconnected")
    assert gone.identity == "bob", gone
    saw("removed", reason=int(reason))
    second = User("alice")
    await second.join()
    (reason,) = await alice.wait("disconnected")
    assert reason == 2, reason
    saw("joined twice", reason=int(reason))
    await control.room.delete_room(api.DeleteRoomRequest(room=ROOM))
    (reason,) = await second.wait("disconnected")
    assert reason == 5, reason
    saw("room deleted", reason=int(reason))
    rooms = await control.room.list_rooms(api.ListRoomsRequest())
    assert not rooms.rooms, rooms


async def main():
    control = api.LiveKitAPI(URL)
    alice, bob = User("alice"), User("bob")
    try:
        for part in (presence, names, data, tracks, ends):
            await part(alice, bob, control)
    finally:
        await control.aclose()
        for user in (alice, bob):
            await user.room.disconnect()


asyncio.run(main())
