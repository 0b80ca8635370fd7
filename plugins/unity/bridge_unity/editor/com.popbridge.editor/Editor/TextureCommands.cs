using System;
using System.Collections.Generic;
using System.Globalization;
using System.IO;
using PopBridge.Connection;
using PopBridge.Protocol;
using UnityEditor;
using UnityEngine;

namespace PopBridge.Editor
{
    /// <summary>Carries out the daemon's commands, one after the other, and replies with what it observes afterwards.</summary>
    internal sealed class TextureCommands
    {
        private const int MinTimeoutMs = 1000;
        private const int FrameReserve = 1024;

        private readonly EditorSession session;
        private readonly ImportReporter reporter;
        private readonly List<Waiting> queue = new List<Waiting>();

        internal TextureCommands(EditorSession session, ImportReporter reporter)
        {
            this.session = session;
            this.reporter = reporter;
        }

        private sealed class Waiting
        {
            internal Command Command;
            internal double Until;
        }

        /// <summary>What is known of one texture while a command changes it.</summary>
        private sealed class Change
        {
            internal string Path;
            internal readonly Dictionary<string, object> Options = new Dictionary<string, object>();
            internal Dictionary<string, object> Before;
        }

        public void Enqueue(Command command) => queue.Add(new Waiting
        {
            Command = command,
            Until = EditorApplication.timeSinceStartup + Math.Max(command.DeadlineMs, MinTimeoutMs) / 1000.0,
        });

        /// <summary>Removes a command that hasn't started.</summary>
        public void Cancel(long id)
        {
            var found = queue.Find(each => each.Command.Id == id);
            if (found == null) return;
            queue.Remove(found);
            Refuse(found.Command, Wire.ErrorCancelled,
                Texts.Say("{command} was cancelled before it started.", "command", found.Command.Name));
        }

        /// <summary>Carries out the next command, once Unity neither imports nor compiles.</summary>
        public void Tick()
        {
            if (queue.Count == 0) return;
            var next = queue[0];
            if (EditorApplication.isUpdating || EditorApplication.isCompiling)
            {
                if (EditorApplication.timeSinceStartup < next.Until) return;
                queue.RemoveAt(0);
                session.Reply(next.Command, new ErrorMessage
                {
                    Id = next.Command.Id, Code = Wire.ErrorEditorBusy, Retryable = true, Outcome = "not_started",
                    Message = Texts.Say(
                        "{command} wasn't started: Unity is importing. Try again later.", "command", next.Command.Name),
                });
                return;
            }
            queue.RemoveAt(0);
            Run(next.Command);
        }

        private void Run(Command command)
        {
            if (command.Name != "texture.apply" && command.Name != "texture.revert")
                Refuse(command, Wire.ErrorUnsupported, Texts.Say(
                    "This package (Unity {version}) doesn't support the command {command}.",
                    "version", Application.unityVersion, "command", command.Name));
            else if (!(Value(command.Args, "changes") is List<object> changes) || !changes.TrueForAll(IsMap))
                Refuse(command, Wire.ErrorBadParams, Texts.Say(
                    "{command}: {field} must be a list of changes.", "command", command.Name, "field", "changes"));
            else Apply(command, changes);
        }

        private static bool IsMap(object value) => value is Dictionary<string, object>;

        private void Refuse(Command command, string code, string message) =>
            session.Reply(command, new ErrorMessage { Id = command.Id, Code = code, Message = message });

        private void Apply(Command command, List<object> requested)
        {
            var errors = new List<object>();
            var started = session.Before(command) ?? new Dictionary<string, object>();
            var changes = new Dictionary<string, Change>();
            foreach (Dictionary<string, object> each in requested) Plan(each, started, changes, errors);
            var before = new Dictionary<string, object>();
            foreach (var change in changes.Values) before[change.Path] = change.Before;
            session.StoreBefore(command, before);
            var open = Editable(changes.Values, errors);
            Write(open, errors);
            session.Reply(command, Observed(command, open, errors));
        }

        /// <summary>Adds what is to be done for one requested change, or an error.</summary>
        private static void Plan(
            Dictionary<string, object> requested, Dictionary<string, object> started,
            Dictionary<string, Change> changes, List<object> errors)
        {
            var path = Value(requested, "path") as string ?? "";
            var expected = Value(requested, "expected") as Dictionary<string, object> ?? new Dictionary<string, object>();
            if (path.Length == 0 || !(Value(requested, "options") is Dictionary<string, object> options))
            {
                errors.Add(Error(path, Texts.Say("A change needs a path and options.")));
                return;
            }
            var settings = TextureSettings.Of(path);
            if (settings == null)
            {
                errors.Add(Error(path, Texts.Say("This file isn't an imported texture of the project.")));
                return;
            }
            var begun = Value(started, path) as Dictionary<string, object> ?? new Dictionary<string, object>();
            if (!changes.TryGetValue(path, out var change)) change = new Change { Path = path, Before = begun };
            foreach (var option in options)
            {
                var now = settings.Get(option.Key);
                // An editor that was killed had begun to set these.
                var isBegun = begun.ContainsKey(option.Key);
                if (expected.TryGetValue(option.Key, out var wanted) && !isBegun && !IsEqual(now, wanted)
                    && !IsEqual(now, option.Value))
                {
                    errors.Add(Error(path, Texts.Say(
                        "{option} was changed meanwhile: it is {now}, not {expected}. Left unchanged.",
                        "option", option.Key, "now", Shown(now), "expected", Shown(wanted))));
                    continue;
                }
                // Unity has a value for each setting: what had none has Unity's default, which stays.
                if (option.Value != null && !settings.CanBe(option.Key, option.Value))
                {
                    errors.Add(Error(path, Texts.Say(
                        "{option} is {now} and can't be {value} in this version of Unity.",
                        "option", option.Key, "now", Shown(now), "value", Shown(option.Value))));
                    continue;
                }
                change.Options[option.Key] = option.Value;
                if (!isBegun) change.Before[option.Key] = now;
            }
            if (change.Options.Count > 0 || options.Count == 0) changes[path] = change;
        }

        /// <summary>Checks the `.meta` files out. Returns the changes whose files can be written.</summary>
        private static List<Change> Editable(ICollection<Change> changes, List<object> errors)
        {
            var files = new List<string>();
            foreach (var each in changes) files.Add(AssetDatabase.GetTextMetaFilePathFromAssetPath(each.Path));
            var refused = new List<string>();
            if (files.Count > 0) AssetDatabase.MakeEditable(files.ToArray(), null, refused);
            var open = new List<Change>();
            foreach (var each in changes)
            {
                var file = AssetDatabase.GetTextMetaFilePathFromAssetPath(each.Path);
                if (!refused.Contains(file) && !IsReadOnly(file)) open.Add(each);
                else errors.Add(Error(each.Path, Texts.Say(
                    "Can't write {file}. Make it writable, check it out, or close the program that uses it.",
                    "file", file)));
            }
            return open;
        }

        private static bool IsReadOnly(string file) =>
            File.Exists(file) && (File.GetAttributes(file) & FileAttributes.ReadOnly) != 0;

        /// <summary>Sets the options and imports the textures, all at once.</summary>
        private void Write(List<Change> changes, List<object> errors)
        {
            foreach (var each in changes) reporter.Ignore(each.Path);
            AssetDatabase.StartAssetEditing();
            try
            {
                foreach (var each in changes)
                {
                    try
                    {
                        Write(each);
                    }
                    catch (Exception error) when (error is UnityException || error is IOException
                        || error is InvalidOperationException || error is UnauthorizedAccessException)
                    {
                        errors.Add(Error(each.Path, error.Message));
                    }
                }
            }
            finally
            {
                AssetDatabase.StopAssetEditing();
                reporter.IgnoreNothing();
            }
        }

        private static void Write(Change change)
        {
            var settings = TextureSettings.Of(change.Path);
            if (settings == null || change.Options.Count == 0) return;
            foreach (var option in change.Options)
                if (option.Value != null) settings.Set(option.Key, option.Value);
            settings.Apply();
        }

        private static Result Observed(Command command, List<Change> changes, List<object> errors)
        {
            var before = new List<object>();
            var after = new List<object>();
            foreach (var each in changes)
            {
                var settings = TextureSettings.Of(each.Path);
                var now = new Dictionary<string, object>();
                var was = new Dictionary<string, object>();
                foreach (var option in each.Options)
                {
                    now[option.Key] = settings?.Get(option.Key);
                    was[option.Key] = Value(each.Before, option.Key);
                    if (option.Value != null && !IsEqual(now[option.Key], option.Value))
                        errors.Add(Error(each.Path, Unset(option, now[option.Key], was[option.Key])));
                }
                before.Add(new Dictionary<string, object> { ["path"] = each.Path, ["options"] = was });
                after.Add(new Dictionary<string, object> { ["path"] = each.Path, ["options"] = now });
            }
            var value = new Dictionary<string, object> { ["before"] = before, ["after"] = after, ["errors"] = errors };
            var result = new Result { Id = command.Id, Value = value };
            Shorten(result, errors);
            return result;
        }

        private static string Unset(KeyValuePair<string, object> option, object now, object was) => IsEqual(now, was)
            ? Texts.Say(
                "{option} is {now} again, not {wanted}: an import script of this project sets it.",
                "option", option.Key, "now", Shown(now), "wanted", Shown(option.Value))
            : Texts.Say(
                "{option} is {now}, not {wanted}.",
                "option", option.Key, "now", Shown(now), "wanted", Shown(option.Value));

        /// <summary>Leaves out errors from the end if the result exceeds a frame.</summary>
        private static void Shorten(Result result, List<object> errors)
        {
            var missing = 0;
            while (errors.Count > 0 && Messages.Encode(result).Length > Wire.MaxFrame - FrameReserve)
            {
                var cut = Math.Max(1, errors.Count / 8);
                errors.RemoveRange(errors.Count - cut, cut);
                missing += cut;
            }
            if (missing == 0) return;
            errors.Add(Error("", Texts.Say(
                "More errors, not listed: {n}", "n", missing.ToString(CultureInfo.InvariantCulture))));
        }

        private static Dictionary<string, object> Error(string path, string message) =>
            new Dictionary<string, object> { ["path"] = path, ["message"] = message };

        private static object Value(Dictionary<string, object> map, string key) =>
            map != null && map.TryGetValue(key, out var found) ? found : null;

        /// <summary>Whether two values are the same; numbers are compared as numbers.</summary>
        private static bool IsEqual(object one, object other)
        {
            if (one is long || one is double)
                // Unity stores single precision.
                return (other is long || other is double)
                    && Convert.ToSingle(one, CultureInfo.InvariantCulture)
                        .Equals(Convert.ToSingle(other, CultureInfo.InvariantCulture));
            return Equals(one, other);
        }

        private static string Shown(object value)
        {
            switch (value)
            {
                case null: return "–";
                case bool on: return on ? "true" : "false";
                default: return Convert.ToString(value, CultureInfo.InvariantCulture);
            }
        }
    }
}
