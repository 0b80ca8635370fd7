using System.Collections.Generic;
using System.Globalization;
using PopBridge.Connection;
using UnityEditor;
using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>The window with the open popups, one at a time, docked beside the inspector.</summary>
    public sealed class PopBridgeWindow : EditorWindow
    {
        private const float MinWidth = 240;
        private const float MinHeight = 200;
        private const float Pad = 4;
        private const double NotificationS = 4;
        private const string Command = "popbridge serve";

        private readonly Pictures pictures = new Pictures();
        private Label status;
        private Label notice;
        private VisualElement content;
        private VisualElement turn;
        private PopupCard card;
        private PopupList.OpenPopup shown;

        // Textures that were asked about; they come before the popups.
        private List<string> asked = new List<string>();
        private int index;
        private bool isPro;

        /// <summary>Opens the window, or brings it to the front.</summary>
        public static void Open() => Get(true);

        /// <summary>Shows why these textures are judged as they are.</summary>
        public static void Ask(List<string> paths)
        {
            var window = Get(true);
            window.asked = paths;
            window.index = 0;
            window.ShowCard();
        }

        /// <summary>Announces a popup without taking the focus, unless it wants it.</summary>
        internal static void Announce(PopupList.OpenPopup popup)
        {
            var window = Get(false);
            if (popup.Popup.Present == "modal") window.Focus();
            if (Settings.ShowsNotifications) Notify(popup.Popup.Title);
        }

        /// <summary>Shows a line for a moment, in the Scene view if there is one: in this window it would cover the popup.</summary>
        internal static void Notify(string text)
        {
            EditorWindow window = SceneView.lastActiveSceneView;
            if (window == null) window = Get(false);
            window.ShowNotification(new GUIContent(text), NotificationS);
        }

        private static PopBridgeWindow Get(bool hasFocus)
        {
            var inspector = typeof(EditorWindow).Assembly.GetType("UnityEditor.InspectorWindow");
            return inspector == null
                ? GetWindow<PopBridgeWindow>("PopBridge", hasFocus)
                : GetWindow<PopBridgeWindow>("PopBridge", hasFocus, inspector);
        }

        private void OnEnable()
        {
            minSize = new Vector2(MinWidth, MinHeight);
            if (EditorBridge.Session == null) return;
            EditorBridge.Popups.Changed += OnChanged;
            EditorBridge.Session.StatusChanged += OnStatusChanged;
        }

        private void OnDisable()
        {
            pictures.Clear();
            if (EditorBridge.Session == null) return;
            EditorBridge.Popups.Changed -= OnChanged;
            EditorBridge.Session.StatusChanged -= OnStatusChanged;
        }

        /// <summary>The skin may have changed meanwhile.</summary>
        private void OnFocus()
        {
            if (content != null && isPro != EditorGUIUtility.isProSkin) CreateGUI();
        }

        private void CreateGUI()
        {
            isPro = EditorGUIUtility.isProSkin;
            rootVisualElement.Clear();
            var head = new VisualElement();
            head.style.flexDirection = FlexDirection.Row;
            status = Skin.Text("");
            status.style.flexGrow = 1;
            turn = new VisualElement();
            turn.style.flexDirection = FlexDirection.Row;
            turn.style.flexShrink = 0;
            turn.Add(new Button(() => Turn(-1)) { text = "‹", tooltip = Texts.Say("Previous") });
            turn.Add(new Button(() => Turn(1)) { text = "›", tooltip = Texts.Say("Next") });
            head.Add(status);
            head.Add(turn);
            notice = Skin.Text("");
            content = new VisualElement();
            content.style.flexGrow = 1;
            foreach (var each in new[] { head, notice, content })
            {
                each.style.paddingLeft = each.style.paddingRight = Pad;
                rootVisualElement.Add(each);
            }
            ShowCard();
        }

        private void Turn(int step)
        {
            index += step;
            ShowCard();
        }

        private void OnStatusChanged()
        {
            // Only an empty window says what to do without PopBridge.
            if (content != null && shown == null && asked.Count == 0) ShowCard();
            else ShowStatus();
            card?.Refresh();
        }

        private void OnChanged(PopupList.OpenPopup changed)
        {
            if (content == null || asked.Count > 0 && index < asked.Count) ShowStatus();
            else if (changed == null || changed == shown && card == null) ShowCard();
            else if (changed == shown) RefreshCard();
        }

        private void RefreshCard()
        {
            // Its list has arrived.
            if (shown.Items != null && shown.Popup.ItemsBlob != null && !card.HasItems) ShowCard();
            else card.Refresh();
        }

        private int Count => asked.Count + (EditorBridge.Popups?.Open.Count ?? 0);

        private void ShowCard()
        {
            var count = Count;
            index = count == 0 ? 0 : (index + count) % count;
            content.Clear();
            card = null;
            shown = null;
            if (count == 0) content.Add(Empty());
            else if (index < asked.Count) content.Add(Asked(asked[index]));
            else
            {
                shown = EditorBridge.Popups.Open[index - asked.Count];
                EditorBridge.Popups.FetchItems(shown, EditorBridge.Blobs);
                card = new PopupCard(shown, EditorBridge.Popups, pictures);
                content.Add(card);
            }
            ShowStatus();
        }

        private VisualElement Asked(string path)
        {
            var scroll = new ScrollView();
            scroll.style.flexGrow = 1;
            var explanation = new Explanation(path, pictures, true);
            scroll.Add(explanation.Looks);
            scroll.Add(explanation.Why);
            scroll.Add(new Button(() =>
            {
                asked.Remove(path);
                ShowCard();
            })
            {
                text = Texts.Say("Close"),
            });
            return scroll;
        }

        /// <summary>Says what there is to do: nothing, or how to start PopBridge.</summary>
        private static VisualElement Empty()
        {
            var empty = new VisualElement();
            var session = EditorBridge.Session;
            if (session == null) return empty;
            if (session.State == EditorSession.Status.Open)
            {
                empty.Add(Skin.Text(Texts.Say("No open findings. Imports are checked automatically.")));
                empty.Add(new Button(TextureMenu.AuditProject) { text = Texts.Say("Check the whole project") });
                return empty;
            }
            if (session.State != EditorSession.Status.Searching) return empty;
            empty.Add(Skin.Heading(Texts.Say("PopBridge isn't running")));
            if (ConnectionFile.StartCommand() != null)
            {
                empty.Add(Skin.Text(Texts.Say("Start it here, or with “popbridge serve” in a terminal. This window then connects.")));
                empty.Add(Skin.MakePrimary(new Button(Start) { text = Texts.Say("Start PopBridge") }));
                return empty;
            }
            empty.Add(Skin.Text(Texts.Say("Run this in a terminal. This window then connects.")));
            var line = new VisualElement();
            line.style.flexDirection = FlexDirection.Row;
            var command = Skin.Text(Command, true);
            command.style.flexGrow = 1;
            line.Add(command);
            line.Add(new Button(() => EditorGUIUtility.systemCopyBuffer = Command) { text = Texts.Say("Copy") });
            empty.Add(line);
            return empty;
        }

        internal static void Start()
        {
            var problem = EditorBridge.StartDaemon();
            if (problem.Length > 0) Get(true).ShowNotification(new GUIContent(problem), NotificationS);
        }

        private void ShowStatus()
        {
            if (status == null) return;
            var open = EditorBridge.Popups?.Open.Count ?? 0;
            titleContent = new GUIContent(
                open == 0 ? "PopBridge" : "PopBridge (" + open.ToString(CultureInfo.InvariantCulture) + ")");
            status.text = ConnectionText() + (Count < 2 ? "" : " · " + (index + 1) + "/" + Count);
            Skin.SetShown(turn, Count > 1);
            var session = EditorBridge.Session;
            var isOpen = session != null && session.State == EditorSession.Status.Open;
            notice.text = isOpen ? session.Welcome.Notice ?? "" : "";
            Skin.SetShown(notice, notice.text.Length > 0);
        }

        /// <summary>Returns how it is with the connection, for people.</summary>
        internal static string ConnectionText()
        {
            var session = EditorBridge.Session;
            if (session == null) return "";
            switch (session.Problem)
            {
                case EditorSession.Trouble.Silent:
                    return Texts.Say("PopBridge doesn't answer. Restart it.");
                case EditorSession.Trouble.Outdated:
                    return Texts.Say("PopBridge is older than this package. Update and restart it.");
                case EditorSession.Trouble.Stranger:
                    return Texts.Say("Another program answers in place of PopBridge. Nothing was sent to it. Restart PopBridge.");
                case EditorSession.Trouble.Refused:
                    return Texts.Say("PopBridge refused the connection: {reason}", "reason", session.Reason);
            }
            switch (session.State)
            {
                case EditorSession.Status.Open:
                    return Texts.Say("Connected to PopBridge {version}", "version", session.Hello.Server.Version);
                case EditorSession.Status.Connecting: return Texts.Say("Connecting to PopBridge…");
                case EditorSession.Status.Retrying: return Texts.Say("Connection lost, reconnecting…");
                default:
                    return Texts.Say("PopBridge isn't running. Imports work as usual and are checked when it is back.");
            }
        }
    }
}
