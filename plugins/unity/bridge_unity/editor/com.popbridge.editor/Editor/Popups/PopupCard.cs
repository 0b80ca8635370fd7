using System;
using System.Collections.Generic;
using System.Globalization;
using PopBridge.Connection;
using PopBridge.Protocol;
using UnityEditor;
using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>One popup: title, list or body, fields, and a button for each action.</summary>
    internal sealed class PopupCard : VisualElement
    {
        private const float Pad = 8;
        private const float Stripe = 3;
        private const float BarHeight = 5;
        private const float PreviewHeight = 96;

        /// <summary>Below it, buttons are under each other; above the second one, a texture is beside the list.</summary>
        private const float NarrowWidth = 360;
        private const float WideWidth = 600;

        private readonly PopupList.OpenPopup shown;
        private readonly PopupList popups;
        private readonly Pictures pictures;
        private readonly VisualElement middle = new VisualElement();
        private readonly VisualElement fields = new VisualElement();
        private readonly VisualElement buttons = new VisualElement();
        private readonly VisualElement bar = new VisualElement();
        private readonly VisualElement filled = new VisualElement();
        private readonly Label note = new Label();
        private readonly List<KeyValuePair<Button, PopupAction>> counted = new List<KeyValuePair<Button, PopupAction>>();
        private readonly Dictionary<string, Func<object>> values = new Dictionary<string, Func<object>>();
        private VisualElement head;
        private ItemList list;
        private ItemPane pane;
        private bool isWide;

        /// <summary>Whether it shows a list.</summary>
        internal bool HasItems { get; private set; }

        internal PopupCard(PopupList.OpenPopup shown, PopupList popups, Pictures pictures)
        {
            this.shown = shown;
            this.popups = popups;
            this.pictures = pictures;
            style.flexGrow = 1;
            style.paddingLeft = style.paddingRight = style.paddingTop = style.paddingBottom = Pad;
            style.borderLeftWidth = Stripe;
            style.borderLeftColor = Skin.Severity(shown.Popup.Severity);
            style.backgroundColor = Skin.Card;
            middle.style.flexGrow = 1;
            buttons.style.flexDirection = FlexDirection.Row;
            buttons.style.flexWrap = Wrap.Wrap;
            bar.style.height = BarHeight;
            filled.style.height = BarHeight;
            filled.style.backgroundColor = Skin.Accent;
            bar.Add(filled);
            note.style.whiteSpace = WhiteSpace.Normal;
            head = Head();
            foreach (var each in new[] { head, bar, middle, fields, note, buttons }) Add(each);
            RegisterCallback<GeometryChangedEvent>(resized => Arrange(resized.newRect.width));
            ShowContent();
            Refresh();
        }

        /// <summary>Shows the progress, and whether the popup is answered.</summary>
        internal void Refresh()
        {
            Skin.SetShown(bar, shown.Progress != null);
            filled.style.width = new Length((float)(100 * (shown.Progress ?? 0)), LengthUnit.Percent);
            var isOffline = EditorBridge.Session.State != EditorSession.Status.Open;
            note.text = shown.IsAnswered && isOffline ? Texts.Say("Saved; sent when PopBridge is back.")
                : shown.ProgressText.Length > 0 ? shown.ProgressText
                : shown.IsAnswered ? Texts.Say("Working…")
                : shown.Problem;
            Skin.SetShown(note, note.text.Length > 0);
            buttons.SetEnabled(!shown.IsAnswered);
            middle.SetEnabled(!shown.IsAnswered);
            fields.SetEnabled(!shown.IsAnswered);
            Count();
        }

        private VisualElement Head()
        {
            var head = new VisualElement();
            head.style.flexDirection = FlexDirection.Row;
            var title = Skin.Heading(shown.Popup.Title);
            title.tooltip = Skin.SeverityWord(shown.Popup.Severity);
            title.style.flexGrow = 1;
            var close = new Button(() => popups.Dismiss(shown)) { text = "✕", tooltip = Texts.Say("Dismiss") };
            head.Add(title);
            head.Add(close);
            return head;
        }

        private void ShowContent()
        {
            middle.Clear();
            fields.Clear();
            buttons.Clear();
            counted.Clear();
            values.Clear();
            list = null;
            pane = null;
            if (shown.Items != null)
            {
                ShowItems();
            }
            else
            {
                ShowBody();
            }
            foreach (var each in shown.Popup.Fields ?? new List<Field>()) AddField(each);
            foreach (var each in shown.Popup.Actions) AddAction(each);
            if (shown.Popup.Menu.Count > 0)
                buttons.Add(new Button(ShowMenu) { text = "⋯", tooltip = Texts.Say("More") });
            Count();
        }

        private void ShowItems()
        {
            HasItems = true;
            list = new ItemList(shown.Items, pictures);
            pane = new ItemPane(shown.Items, pictures);
            list.Ticked += OnListTicked;
            list.Chosen += Show;
            pane.Ticked += OnPaneTicked;
            pane.Closed += () => Show(null);
            middle.style.flexDirection = FlexDirection.Row;
            middle.Add(list);
            middle.Add(pane);
            Show(shown.Shown == null ? null : shown.Items.Find(shown.Shown));
        }

        private void OnListTicked()
        {
            pane.Refresh();
            Count();
        }

        private void OnPaneTicked()
        {
            list.Refresh();
            Count();
        }

        /// <summary>Shows a texture in the list's place, or beside it where there is room; null shows the list.</summary>
        private void Show(ItemModel.Row texture)
        {
            shown.Shown = texture?.Item.Id;
            pane.Show(texture);
            Arrange();
        }

        private void Arrange(float width)
        {
            isWide = width >= WideWidth;
            var isNarrow = width < NarrowWidth;
            buttons.style.flexDirection = isNarrow ? FlexDirection.Column : FlexDirection.Row;
            list?.SetNarrow(isNarrow);
            Arrange();
        }

        private void Arrange()
        {
            if (pane == null) return;
            var hasTexture = pane.Shown != null;
            Skin.SetShown(pane, hasTexture);
            Skin.SetShown(list, !hasTexture || isWide);
            Skin.SetShown(head, !hasTexture || isWide);
            pane.SetBackShown(!isWide);
            pane.style.width = list.style.width = new Length(hasTexture && isWide ? 50 : 100, LengthUnit.Percent);
        }

        private void ShowBody()
        {
            if (shown.Popup.Image != null)
            {
                var image = new Image { scaleMode = ScaleMode.ScaleToFit };
                image.style.height = PreviewHeight;
                image.image = pictures.Get(
                    shown.Popup.Image, () => image.image = pictures.Get(shown.Popup.Image, null));
                middle.Add(image);
            }
            middle.style.flexDirection = FlexDirection.Column;
            var scroll = new ScrollView();
            scroll.style.flexGrow = 1;
            scroll.Add(Skin.Rich(shown.Popup.Body));
            foreach (var link in Markup.Links(shown.Popup.Body))
                scroll.Add(new Button(() => Application.OpenURL(link.Value)) { text = link.Key, tooltip = link.Value });
            middle.Add(scroll);
        }

        private void AddField(Field field)
        {
            switch (field.TypeValue)
            {
                case "bool":
                    var box = new Toggle(field.Label) { value = field.Value is bool on && on };
                    values[field.Name] = () => box.value;
                    fields.Add(box);
                    break;
                case "choice":
                    var options = field.Options ?? new List<string>();
                    var choice = new DropdownField(
                        field.Label, options, Math.Max(0, options.IndexOf(field.Value as string ?? "")));
                    values[field.Name] = () => choice.value;
                    fields.Add(choice);
                    break;
                default:
                    var text = new TextField(field.Label)
                    {
                        value = Convert.ToString(field.Value, CultureInfo.InvariantCulture) ?? "",
                    };
                    values[field.Name] = () => Typed(field, text.value);
                    fields.Add(text);
                    break;
            }
        }

        /// <summary>Returns what was typed as the field's type; the initial value if it isn't of this type.</summary>
        private static object Typed(Field field, string text)
        {
            var culture = CultureInfo.InvariantCulture;
            switch (field.TypeValue)
            {
                case "int": return long.TryParse(text, NumberStyles.Integer, culture, out var whole) ? whole : field.Value;
                case "float": return double.TryParse(text, NumberStyles.Float, culture, out var real) ? real : field.Value;
                default: return text;
            }
        }

        private void AddAction(PopupAction action)
        {
            var button = new Button(() => Choose(action)) { text = action.Label, enableRichText = false };
            if (action.Style == "primary") Skin.MakePrimary(button);
            if (action.Style == "danger") button.style.color = Skin.Severity("error");
            buttons.Add(button);
            if (action.LabelOne.Length > 0 && shown.Items != null)
                counted.Add(new KeyValuePair<Button, PopupAction>(button, action));
        }

        private void Count()
        {
            foreach (var each in counted)
            {
                var count = shown.Items.Count;
                each.Key.SetEnabled(count > 0);
                each.Key.text = count == 0 ? each.Value.Label
                    : count == 1 ? each.Value.LabelOne
                    : each.Value.LabelMany.Replace("{count}", count.ToString(CultureInfo.InvariantCulture));
            }
        }

        private void ShowMenu()
        {
            var menu = new GenericMenu();
            foreach (var each in shown.Popup.Menu)
            {
                // A slash would make a submenu.
                menu.AddItem(new GUIContent(each.Label.Replace("/", "\u2215")), false, () => Choose(each));
            }
            menu.ShowAsContext();
        }

        private void Choose(PopupAction action)
        {
            if (action.Choices.Count > 0) ShowChoices(action);
            else Answer(action, null);
        }

        private void Answer(PopupAction action, List<string> choices)
        {
            Dictionary<string, object> given = null;
            if (values.Count > 0)
            {
                given = new Dictionary<string, object>();
                foreach (var each in values) given[each.Key] = each.Value();
            }
            popups.Answer(shown, action.Id, choices, given);
        }

        /// <summary>Shows the lines of an action, in place of the content, before it is sent.</summary>
        private void ShowChoices(PopupAction action)
        {
            middle.Clear();
            fields.Clear();
            buttons.Clear();
            counted.Clear();
            list = null;
            pane = null;
            Skin.SetShown(head, true);
            middle.style.flexDirection = FlexDirection.Column;
            var boxes = new List<KeyValuePair<string, Toggle>>();
            var scroll = new ScrollView();
            scroll.style.flexGrow = 1;
            foreach (var each in action.Choices)
            {
                var box = new Toggle { text = Markup.Plain(each.Label), value = each.Checked, tooltip = each.Detail };
                boxes.Add(new KeyValuePair<string, Toggle>(each.Id, box));
                scroll.Add(box);
                if (each.Detail.Length == 0) continue;
                scroll.Add(Skin.Text(each.Detail));
            }
            middle.Add(scroll);
            var confirm = new Button(() => Answer(action, Ticked(boxes))) { text = action.Label };
            buttons.Add(Skin.MakePrimary(confirm));
            buttons.Add(new Button(ShowContent) { text = Texts.Say("Back") });
        }

        private static List<string> Ticked(List<KeyValuePair<string, Toggle>> boxes)
        {
            var ticked = new List<string>();
            foreach (var each in boxes)
                if (each.Value.value) ticked.Add(each.Key);
            return ticked;
        }
    }
}
