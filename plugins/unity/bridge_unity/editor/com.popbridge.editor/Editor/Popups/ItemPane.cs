using System;
using System.Collections.Generic;
using System.Globalization;
using UnityEditor;
using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>One texture of a popup: its picture, what changes and how that looks, and why.</summary>
    internal sealed class ItemPane : VisualElement
    {
        private const float Thumb = 48;
        private const float Gap = 4;

        private readonly Pictures pictures;
        private readonly Button back;
        private readonly Label place = new Label();
        private readonly Button previous;
        private readonly Button next;
        private readonly ScrollView scroll = new ScrollView();
        private readonly Dictionary<ItemModel.Row, Toggle> boxes = new Dictionary<ItemModel.Row, Toggle>();
        private readonly ItemModel model;

        internal ItemPane(ItemModel model, Pictures pictures)
        {
            this.model = model;
            this.pictures = pictures;
            style.flexGrow = 1;
            var head = new VisualElement();
            head.style.flexDirection = FlexDirection.Row;
            back = new Button(() => Closed?.Invoke()) { text = "‹ " + Texts.Say("Back") };
            previous = new Button(() => Step(-1)) { text = "▲", tooltip = Texts.Say("Previous texture") };
            next = new Button(() => Step(1)) { text = "▼", tooltip = Texts.Say("Next texture") };
            var middle = new VisualElement();
            middle.style.flexGrow = 1;
            foreach (var each in new[] { back, middle, place, previous, next }) head.Add(each);
            scroll.style.flexGrow = 1;
            Add(head);
            Add(scroll);
            RegisterCallback<KeyDownEvent>(OnKey);
        }

        /// <summary>The list is to be shown again.</summary>
        internal event Action Closed;

        /// <summary>A tick was set or removed.</summary>
        internal event Action Ticked;

        /// <summary>The texture that is shown; null for none.</summary>
        internal ItemModel.Row Shown { get; private set; }

        /// <summary>Shows a texture, or nothing for null.</summary>
        internal void Show(ItemModel.Row row)
        {
            Shown = row;
            boxes.Clear();
            scroll.Clear();
            if (row == null) return;
            var siblings = model.Siblings(row);
            var at = siblings.IndexOf(row);
            place.text = (at + 1).ToString(CultureInfo.CurrentCulture) + " / " + siblings.Count;
            previous.SetEnabled(at > 0);
            next.SetEnabled(at < siblings.Count - 1);
            foreach (var each in new VisualElement[] { place, previous, next }) Skin.SetShown(each, siblings.Count > 1);
            scroll.Add(Title(row));
            var explanation = new Explanation(row.Item.Path, pictures, false);
            scroll.Add(explanation.Looks);
            foreach (var change in row.Children) AddChange(change);
            scroll.Add(explanation.Why);
            Refresh();
        }

        /// <summary>Shows the ticks of the model.</summary>
        internal void Refresh()
        {
            foreach (var each in boxes) each.Value.SetValueWithoutNotify(each.Key.Tick == ItemModel.Tick.On);
        }

        /// <summary>Beside the list there is no way back to it.</summary>
        internal void SetBackShown(bool isShown) => Skin.SetShown(back, isShown);

        private VisualElement Title(ItemModel.Row row)
        {
            var title = new VisualElement();
            title.style.flexDirection = FlexDirection.Row;
            title.style.marginTop = title.style.marginBottom = Gap;
            var picture = new Image { scaleMode = ScaleMode.ScaleToFit };
            picture.style.width = picture.style.height = Thumb;
            picture.style.flexShrink = 0;
            picture.style.marginRight = Gap;
            Action arrived = null;
            arrived = () => picture.image = pictures.Get(row.Item.Picture, arrived);
            arrived();
            Skin.SetShown(picture, row.Item.Picture != null);
            var lines = new VisualElement();
            lines.style.flexGrow = lines.style.flexShrink = 1;
            lines.Add(Skin.Text(row.Item.Title, true));
            foreach (var line in new[] { row.Item.Detail, row.Item.Value, row.Item.Locked })
                if (line.Length > 0) lines.Add(Skin.Text(line));
            var locate = new Button(() => Locate(row.Item.Path))
            {
                text = Texts.Say("Show"), tooltip = Texts.Say("Show in the Project window"),
            };
            locate.style.alignSelf = Align.FlexStart;
            foreach (var each in new VisualElement[] { picture, lines, locate }) title.Add(each);
            return title;
        }

        private static void Locate(string path) => EditorGUIUtility.PingObject(AssetDatabase.LoadMainAssetAtPath(path));

        private void AddChange(ItemModel.Row change)
        {
            var box = new Toggle { text = ItemList.Mark(change) + Markup.Plain(change.Item.Title), tooltip = change.Item.Locked };
            box.SetEnabled(change.IsCheckable);
            box.RegisterValueChangedCallback(changed =>
            {
                model.Toggle(change);
                Refresh();
                Ticked?.Invoke();
            });
            boxes[change] = box;
            scroll.Add(box);
            var about = change.Item.Locked.Length > 0 ? change.Item.Locked : change.Item.Detail;
            if (change.Item.Value.Length > 0) about = about.Length > 0 ? change.Item.Value + " · " + about : change.Item.Value;
            if (change.Partners.Count > 0)
                about += (about.Length > 0 ? " " : "") + Texts.Say("Ticked together with the other changes that it needs.");
            if (about.Length > 0) scroll.Add(Skin.Text(about));
        }

        private void Step(int direction)
        {
            var siblings = model.Siblings(Shown);
            var at = siblings.IndexOf(Shown) + direction;
            if (at >= 0 && at < siblings.Count) Show(siblings[at]);
        }

        private void OnKey(KeyDownEvent pressed)
        {
            if (pressed.keyCode != KeyCode.Escape) return;
            pressed.StopPropagation();
            Closed?.Invoke();
        }
    }
}
