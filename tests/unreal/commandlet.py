"""UnrealEditor-Cmd with the commandlet `pythonscript`, for Python 3.7 and later.

The variable FAKE_UNREAL names a JSON file: the engine's version, whether it has ways that came with 5.1, its
assets, and how it fails.
"""

import json
import os
import runpy
import shutil
import sys
import time

import fake_unreal

with open(os.environ["FAKE_UNREAL"], encoding="utf-8") as opened:
    WORLD = json.load(opened)


class AssetData(object):
    def __init__(self, asset):
        self.asset = asset
        self.package_name = asset["path"].partition(".")[0]

    def get_asset(self):
        if self.asset.get("broken"):
            raise RuntimeError("the asset can't be loaded")
        if self.asset.get("mesh"):
            return fake_unreal.StaticMesh()
        found = fake_unreal.Texture2D(self.asset["path"], self.asset.get("source", ""))
        found.pixels = self.asset.get("pixels")
        settings = self.asset.get("compression", "TC_DEFAULT")
        found.properties["compression_settings"] = getattr(fake_unreal.TextureCompressionSettings, settings)
        found.blueprint_get_size_x = lambda: 32
        found.blueprint_get_size_y = lambda: 16
        return found

    def get_tag_value(self, name):
        return self.asset.get("tags", {}).get(name)


class TopLevelAssetPath(object):
    def __init__(self, package, name):
        self.name = name


class ARFilter(object):
    def __init__(self, **wanted):
        known = {"package_paths", "recursive_paths", "class_paths" if WORLD["is_new"] else "class_names"}
        if not wanted.keys() <= known:
            raise TypeError("ARFilter has no such property")
        self.classes = [
            getattr(each, "name", each) for each in wanted.get("class_paths", wanted.get("class_names"))
        ]


class Registry(object):
    is_scanned = False

    def scan_paths_synchronous(self, paths, force_rescan):
        self.is_scanned = True

    def get_assets(self, wanted):
        assert wanted.classes == ["Texture2D"]
        return [AssetData(each) for each in WORLD["assets"]] if self.is_scanned else []


class AssetRegistryHelpers(object):
    registry = Registry()

    @classmethod
    def get_asset_registry(cls):
        return cls.registry


class AssetExportTask(object):
    def __init__(self):
        self.properties = {}

    def set_editor_property(self, name, value):
        self.properties[name] = value


class Exporter(object):
    @staticmethod
    def run_asset_export_task(task):
        wanted = task.properties
        assert wanted["automated"] and not wanted["prompt"] and wanted["exporter"] is not None
        pixels = wanted["object"].pixels
        if pixels:
            shutil.copyfile(pixels, wanted["filename"])
        return bool(pixels)


def main():
    values = dict(each[1:].split("=", 1) for each in sys.argv if each.startswith("-") and "=" in each)
    with open(values["abslog"], "w", encoding="utf-8") as log:
        log.write("%s\n%s\n" % (sys.argv, WORLD.get("log", "")))
    if WORLD.get("fails"):
        return 1
    if WORLD.get("hangs"):
        time.sleep(60)
    project = sys.argv[1]
    assert project.endswith(".uproject") and values["run"] == "pythonscript" and "-unattended" in sys.argv
    fake_unreal.version = WORLD["engine"]
    fake_unreal.project = os.path.dirname(project).replace("\\", "/")
    fake_unreal.SystemLibrary.collect_garbage = staticmethod(lambda: None)
    for each in (AssetRegistryHelpers, ARFilter, AssetExportTask, Exporter):
        setattr(fake_unreal, each.__name__, each)
    fake_unreal.TextureExporterPNG = type("TextureExporterPNG", (), {})
    if WORLD["is_new"]:
        fake_unreal.TopLevelAssetPath = TopLevelAssetPath
    elif hasattr(fake_unreal, "TopLevelAssetPath"):
        del fake_unreal.TopLevelAssetPath
    sys.modules["unreal"] = fake_unreal
    try:
        # As the engine does, with what a plugin of the project has imported before.
        sys.modules["popbridge_unreal"] = type(sys)("popbridge_unreal")
        runpy.run_path(values["script"], run_name="__main__")
    except Exception as error:
        with open(values["abslog"], "a", encoding="utf-8") as log:
            log.write("LogPython: Error: %r\n" % error)
        return 1
    # Other errors in its log make the editor fail although the script has ended.
    return WORLD.get("code", 0)


if __name__ == "__main__":
    sys.exit(main())
