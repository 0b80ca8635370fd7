using System;
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
        private const float MinWidth = 280;
        private const float MinHeight = 200;

        private readonly Pictures pictures = new Pictures();
        private Label status;
        private VisualElement content;
        private Button start;
        private PopupCard card;
        private PopupList.OpenPopup shown;
        private int index;

        /// <summary>Opens the window, or brings it to the front.</summary>
        public static void Open() => Get(true);

        /// <summary>Announces a popup without taking the focus.</summary>
        internal static void Announce(PopupList.OpenPopup popup)
        {
            var window = Get(false);
            if (popup.Popup.Present == "modal") window.Focus();
            window.ShowNotification(new GUIContent(popup.Popup.Title));
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
            EditorBridge.Session.StatusChanged += ShowStatus;
        }

        private void OnDisable()
        {
            pictures.Clear();
            if (EditorBridge.Session == null) return;
            EditorBridge.Popups.Changed -= OnChanged;
            EditorBridge.Session.StatusChanged -= ShowStatus;
        }

        private void CreateGUI()
        {
            rootVisualElement.Clear();
            var head = new VisualElement();
            head.style.flexDirection = FlexDirection.Row;
            status = new Label { style = { flexGrow = 1, whiteSpace = WhiteSpace.Normal } };
            start = new Button(Start) { text = Texts.Say("Start PopBridge") };
            head.Add(status);
            head.Add(start);
            head.Add(new Button(() => Turn(-1)) { text = "‹", tooltip = Texts.Say("Previous") });
            head.Add(new Button(() => Turn(1)) { text = "›", tooltip = Texts.Say("Next") });
            content = new VisualElement { style = { flexGrow = 1 } };
            rootVisualElement.Add(head);
            rootVisualElement.Add(content);
            ShowCard();
        }

        private void Start()
        {
            var problem = EditorBridge.StartDaemon();
            if (problem.Length > 0) ShowNotification(new GUIContent(problem));
        }

        private void Turn(int step)
        {
            index += step;
            ShowCard();
        }

        private void OnChanged(PopupList.OpenPopup changed)
        {
            if (content == null) return;
            if (changed == null || changed == shown && card == null) ShowCard();
            else if (changed == shown) RefreshCard();
        }

        private void RefreshCard()
        {
            // Its list has arrived.
            if (shown.Items != null && shown.Popup.ItemsBlob != null) ShowCard();
            else card.Refresh();
        }

        private void ShowCard()
        {
            var open = EditorBridge.Popups?.Open;
            var count = open?.Count ?? 0;
            index = count == 0 ? 0 : (index + count) % count;
            var next = count == 0 ? null : open[index];
            content.Clear();
            card = null;
            shown = next;
            if (next == null)
            {
                var empty = new Label(Texts.Say("No open findings. Imports are checked automatically."));
                empty.style.whiteSpace = WhiteSpace.Normal;
                content.Add(empty);
            }
            else
            {
                EditorBridge.Popups.FetchItems(next, EditorBridge.Blobs);
                card = new PopupCard(next, EditorBridge.Popups, pictures);
                content.Add(card);
            }
            ShowStatus();
        }

        private void ShowStatus()
        {
            if (status == null) return;
            var count = EditorBridge.Popups?.Open.Count ?? 0;
            titleContent = new GUIContent(
                count == 0 ? "PopBridge" : "PopBridge (" + count.ToString(CultureInfo.InvariantCulture) + ")");
            status.text = ConnectionText() + (count < 2 ? "" : " · " + (index + 1) + "/" + count);
            start.style.display = EditorBridge.Session != null
                && EditorBridge.Session.State == EditorSession.Status.Searching
                    ? DisplayStyle.Flex
                    : DisplayStyle.None;
        }

        /// <summary>Returns how it is with the connection, for people.</summary>
        internal static string ConnectionText()
        {
            var session = EditorBridge.Session;
            if (session == null) return "";
            if (session.Problem.Length > 0) return session.Problem;
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
