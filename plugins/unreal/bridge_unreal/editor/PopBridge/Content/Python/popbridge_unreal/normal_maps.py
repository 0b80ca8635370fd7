"""Makes normal maps from height maps: the daemon computes, the editor imports. Runs on the main thread."""

import os
from typing import Any, Dict

import popbridge_protocol as protocol
import unreal

from popbridge_unreal import pixels, textures
from popbridge_unreal.texts import say

WORKLOAD = "image.normal_from_height"
SUFFIX = "_N"


class NormalMaps(object):
    """The normal maps that are being made, by the path of their height map."""

    def __init__(self, session, blobs, root):
        # type: (Any, Any, str) -> None
        self._session = session
        self._blobs = blobs
        # Here so that it can be imported again.
        self._folder = os.path.join(root, "Saved", "PopBridge", "NormalMaps")
        self._asked = {}  # type: Dict[int, str]

    def create(self, path):
        # type: (str) -> None
        """Makes a normal map beside the height map at `path`; tells in the log if that can't be done."""
        texture = textures.find(path)
        if texture is None:
            return
        target = textures.package_of(path) + SUFFIX
        if unreal.EditorAssetLibrary.does_asset_exist(target):
            self._fail(path, say("%(path)s exists already.", path=target))
            return
        options = textures.options_of(texture)
        content = pixels.read(texture, str(options.get("compression_settings", "")))
        if content is None:
            self._fail(path, say("its pixels can't be read"))
            return
        edge = "wrap" if options.get("address_x") == options.get("address_y") == "TA_WRAP" else "clamp"
        # Unreal reads green as down.
        params = {"convention": "directx", "edge": edge, "format": "png"}
        self._blobs.upload(content, _Step(self._ask, path, params))

    def reply(self, request_id, message):
        # type: (int, Any) -> None
        path = self._asked.pop(request_id, "")
        if not path:
            return
        if isinstance(message, protocol.Result) and message.outputs:
            self._blobs.download(message.outputs[0].blob, _Step(self._import, path, {}))
        else:
            self._fail(path, message.message if message is not None else say("The connection was lost."))

    def _ask(self, digest, path, params):
        # type: (str, str, Dict[str, Any]) -> None
        name = path.rpartition(".")[2]
        inputs = [protocol.InputRef(name=name, blob=digest)] if digest else []
        request_id = self._session.ask(WORKLOAD, params, inputs) if digest else 0
        if request_id:
            self._asked[request_id] = path
        else:
            self._fail(path, say("The connection was lost."))

    def _import(self, content, path, params):
        # type: (bytes, str, Dict[str, Any]) -> None
        if not content:
            self._fail(path, say("The connection was lost."))
            return
        folder, _, name = (textures.package_of(path) + SUFFIX).rpartition("/")
        file = os.path.join(self._folder, name + ".png")
        try:
            os.makedirs(self._folder, exist_ok=True)
            with open(file, "wb") as stream:
                stream.write(content)
            task = unreal.AssetImportTask()
            task.set_editor_property("filename", file)
            task.set_editor_property("destination_path", folder)
            task.set_editor_property("automated", True)
            task.set_editor_property("replace_existing", False)
            # It is the person's to save.
            task.set_editor_property("save", False)
            unreal.AssetToolsHelpers.get_asset_tools().import_asset_tasks([task])
        # No room, or the editor's own class of exceptions, which differs between versions.
        except Exception as error:
            self._fail(path, str(error))
            return
        unreal.log("PopBridge: " + say("%(path)s is made. Save it in the editor.", path=folder + "/" + name))

    def _fail(self, path, reason):
        # type: (str, str) -> None
        unreal.log_warning(
            "PopBridge: " + say("No normal map from %(path)s: %(reason)s", path=path, reason=reason)
        )


class _Step(object):
    """What follows an upload or a download."""

    def __init__(self, function, path, params):
        # type: (Any, str, Dict[str, Any]) -> None
        self._function = function
        self._path = path
        self._params = params

    def __call__(self, found):
        # type: (Any) -> None
        self._function(found, self._path, self._params)
