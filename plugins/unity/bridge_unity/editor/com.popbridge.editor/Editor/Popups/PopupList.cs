using System;
using System.Collections.Generic;
using System.Text;
using PopBridge.Connection;
using PopBridge.Protocol;
using UnityEditor;

namespace PopBridge.Editor
{
    /// <summary>The open popups, oldest first. They outlive a domain reload and need no window.</summary>
    public sealed class PopupList
    {
        private const string Key = "PopBridge.popups";

        private readonly EditorSession session;
        private readonly List<OpenPopup> open = new List<OpenPopup>();

        public PopupList(EditorSession session)
        {
            this.session = session;
            session.Opened += OnOpened;
            session.Forgotten += Clear;
            session.PopupShown += Show;
            session.PopupClosed += OnClosed;
            session.PopupProgressed += OnProgressed;
            Restore();
        }

        /// <summary>A popup and what the person has done with it.</summary>
        public sealed class OpenPopup
        {
            public Popup Popup { get; internal set; }

            /// <summary>Null while its items are being fetched, and without any.</summary>
            public ItemModel Items { get; internal set; }

            /// <summary>0 to 1; null without work in progress.</summary>
            public double? Progress { get; internal set; }

            public string ProgressText { get; internal set; } = "";

            /// <summary>It is answered; the daemon hasn't closed or replaced it yet.</summary>
            public bool IsAnswered { get; internal set; }

            /// <summary>The id of the texture that is shown by itself; null for none.</summary>
            internal string Shown;

            /// <summary>The ticks before a domain reload, for a list that is still to be fetched.</summary>
            internal List<string> Ticks;

            /// <summary>When it expires by itself; null if it doesn't.</summary>
            internal double? ExpiresAt;

            /// <summary>Why its items can't be shown; empty if they can.</summary>
            public string Problem { get; internal set; } = "";
        }

        /// <summary>The list, or a popup in it, is different; null stands for several.</summary>
        public event Action<OpenPopup> Changed;

        /// <summary>A popup has arrived.</summary>
        public event Action<OpenPopup> Shown;

        public IReadOnlyList<OpenPopup> Open => open;

        /// <summary>Returns the textures with an open finding, each with the titles of its findings.</summary>
        public Dictionary<string, List<string>> Findings()
        {
            var found = new Dictionary<string, List<string>>();
            foreach (var popup in open)
            {
                if (popup.Items == null || popup.IsAnswered) continue;
                foreach (var group in popup.Items.Roots)
                    foreach (var texture in group.Children)
                    {
                        if (texture.Item.Path == null || texture.Outcome == "done") continue;
                        if (!found.TryGetValue(texture.Item.Path, out var titles))
                            found[texture.Item.Path] = titles = new List<string>();
                        titles.Add(group.Item.Title);
                    }
            }
            return found;
        }

        /// <summary>Answers a popup with an action, its ticks, the ticks of the action's choices, and its fields.</summary>
        public void Answer(
            OpenPopup popup, string action, List<string> choices = null, Dictionary<string, object> values = null)
        {
            if (popup.IsAnswered) return;
            Send(popup, new Answer
            {
                Id = popup.Popup.Id, State = "answered", Action = action, Choices = choices, Values = values,
                Checked = popup.Items?.Checked(),
            });
        }

        public void Dismiss(OpenPopup popup)
        {
            if (!popup.IsAnswered) Send(popup, new Answer { Id = popup.Popup.Id, State = "dismissed" });
        }

        /// <summary>Answers what has expired.</summary>
        public void Tick()
        {
            for (var each = open.Count - 1; each >= 0; each--)
            {
                var popup = open[each];
                if (popup.IsAnswered || popup.ExpiresAt == null) continue;
                if (EditorApplication.timeSinceStartup >= popup.ExpiresAt)
                    Send(popup, new Answer { Id = popup.Popup.Id, State = "expired" });
            }
        }

        /// <summary>Keeps the open popups over a domain reload, after which the daemon doesn't send them again.</summary>
        public void Suspend()
        {
            var maps = open.ConvertAll(each => (object)new Dictionary<string, object>
            {
                ["popup"] = each.Popup.ToMap(), ["checked"] = each.Items?.Checked() ?? each.Ticks, ["shown"] = each.Shown,
            });
            SessionState.SetString(Key, maps.Count == 0 ? "" : Convert.ToBase64String(Msgpack.Pack(maps)));
        }

        private void Restore()
        {
            var stored = SessionState.GetString(Key, "");
            if (stored.Length == 0) return;
            var data = Convert.FromBase64String(stored);
            foreach (Dictionary<string, object> map in (List<object>)Msgpack.Unpack(data, data.Length))
            {
                if (!(Messages.Decode(Msgpack.Pack(map["popup"])) is Popup popup)) continue;
                var shown = Insert(popup);
                if (map.TryGetValue("shown", out var texture)) shown.Shown = texture as string;
                if (!(map["checked"] is List<object> ticks)) continue;
                shown.Ticks = ticks.ConvertAll(each => (string)each);
                shown.Items?.SetChecked(shown.Ticks);
            }
        }

        private void Send(OpenPopup popup, Answer answer)
        {
            popup.IsAnswered = true;
            session.Answer(answer);
            Changed?.Invoke(popup);
        }

        private void Show(Popup popup)
        {
            if (open.Exists(each => each.Popup.Id == popup.Id)) return;
            var shown = Insert(popup);
            Shown?.Invoke(shown);
            Changed?.Invoke(null);
        }

        private OpenPopup Insert(Popup popup)
        {
            var shown = new OpenPopup { Popup = popup, Progress = popup.Progress };
            if (popup.ExpiresMs != null)
                shown.ExpiresAt = EditorApplication.timeSinceStartup + popup.ExpiresMs.Value / 1000.0;
            if (popup.Items.Count > 0) shown.Items = new ItemModel(popup.Items);
            var place = open.FindIndex(each => each.Popup.Id == popup.Replaces);
            if (place < 0)
            {
                open.Add(shown);
            }
            else
            {
                if (open[place].Items != null) shown.Items?.TakeOver(open[place].Items);
                shown.Shown = open[place].Shown;
                open[place] = shown;
            }
            return shown;
        }

        /// <summary>Fetches the items that were too large for a frame. Does nothing if there are none.</summary>
        public void FetchItems(OpenPopup popup, BlobClient blobs)
        {
            if (popup.Popup.ItemsBlob == null || popup.Items != null || session.Welcome == null) return;
            blobs.Fetch(session.Http, session.Fingerprint, session.Welcome.HttpToken, popup.Popup.ItemsBlob,
                content => OnItems(popup, content));
        }

        private void OnItems(OpenPopup popup, byte[] content)
        {
            try
            {
                if (content == null) throw new FormatException("no items");
                var map = popup.Popup.ToMap();
                map["items"] = Json.Read(Encoding.UTF8.GetString(content));
                map.Remove("items_blob");
                popup.Items = new ItemModel(((Popup)Messages.Decode(Msgpack.Pack(map))).Items);
                if (popup.Ticks != null) popup.Items.SetChecked(popup.Ticks);
                popup.Problem = "";
            }
            catch (Exception error) when (error is FormatException || error is ProtocolException)
            {
                popup.Problem = Texts.Say("Can't load the list.");
            }
            Changed?.Invoke(popup);
        }

        private void OnOpened(Ready ready)
        {
            // A new session gets its popups again; a resumed one names those that are still open.
            open.RemoveAll(each => !ready.Resumed
                || !each.IsAnswered && (ready.Popups == null || !ready.Popups.Contains(each.Popup.Id)));
            Changed?.Invoke(null);
        }

        private void Clear()
        {
            open.Clear();
            Changed?.Invoke(null);
        }

        private void OnClosed(PopupClose close)
        {
            var found = open.Find(each => each.Popup.Id == close.Id);
            if (found == null) return;
            // One that is being worked on stays until another replaces it.
            if (close.Reason == "answered" && found.IsAnswered && found.Progress != null) return;
            open.Remove(found);
            Changed?.Invoke(null);
        }

        private void OnProgressed(PopupProgress progress)
        {
            var found = open.Find(each => each.Popup.Id == progress.Id);
            if (found == null) return;
            found.Progress = progress.Fraction;
            found.ProgressText = progress.Text;
            Changed?.Invoke(found);
        }
    }
}
