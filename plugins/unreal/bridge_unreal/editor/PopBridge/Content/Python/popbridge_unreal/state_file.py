"""What must survive a crash of the editor: session, answers, replies, settings before a command."""

import contextlib
import json
import os
from typing import Any, Dict, List, Optional

MAX_REPLIES = 64


class StateFile(object):
    """A JSON file in the project's `Saved` folder, which isn't committed.

    A missing or damaged file is an empty state; one that can't be written costs no more than a new session.
    """

    def __init__(self, path):
        # type: (str) -> None
        self._path = path
        self.is_changed = False
        self.session = ""
        self.resume_token = ""
        self.last_seq = 0
        self.daemon = ""
        """`hello.server.instance` of the daemon that got `reported`."""
        self.answers = {}  # type: Dict[int, Dict[str, Any]]
        self.replies = []  # type: List[Dict[str, Any]]
        self.before = {}  # type: Dict[int, Dict[str, Any]]
        self.reported = {}  # type: Dict[str, float]
        try:
            with open(path, encoding="utf-8") as file:
                found = json.load(file)
            self.session = str(found["session"])
            self.resume_token = str(found["resume_token"])
            self.last_seq = int(found["last_seq"])
            self.daemon = str(found["daemon"])
            self.answers = {int(key): dict(value) for key, value in found["answers"].items()}
            self.before = {int(key): dict(value) for key, value in found["before"].items()}
            self.replies = [dict(each) for each in found["replies"]]
            self.reported = {str(key): float(value) for key, value in found["reported"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            self.forget()
        self.is_changed = False

    def forget(self):
        # type: () -> None
        """Empties the state: the daemon doesn't know the session any more."""
        self.session = ""
        self.resume_token = ""
        self.last_seq = 0
        self.daemon = ""
        self.answers = {}
        self.replies = []
        self.before = {}
        self.reported = {}
        self.is_changed = True

    def reply_to(self, command_id):
        # type: (int) -> Optional[Dict[str, Any]]
        """Returns the stored reply to a command, or None."""
        for each in self.replies:
            if each["id"] == command_id:
                return each["message"]  # type: ignore[no-any-return]
        return None

    def store_reply(self, command_id, message, unix_time):
        # type: (int, Dict[str, Any], float) -> None
        """Stores a reply: if the command comes again, it isn't executed again."""
        self.replies.append({"id": command_id, "at": unix_time, "message": message})
        del self.replies[:-MAX_REPLIES]
        self.before.pop(command_id, None)
        self.save()

    def store_before(self, command_id, settings):
        # type: (int, Dict[str, Any]) -> None
        """Stores the settings before a command changes any, by path."""
        self.before[command_id] = settings
        self.save()

    def save(self):
        # type: () -> None
        """Writes the file."""
        self.is_changed = False
        content = {
            "session": self.session, "resume_token": self.resume_token, "last_seq": self.last_seq,
            "daemon": self.daemon, "answers": self.answers, "replies": self.replies, "before": self.before,
            "reported": self.reported,
        }  # fmt: skip
        draft = self._path + ".tmp"
        with contextlib.suppress(OSError):
            os.makedirs(os.path.dirname(self._path), exist_ok=True)
            # The token resumes the session: for this user alone.
            handle = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(content, file)
            os.replace(draft, self._path)
