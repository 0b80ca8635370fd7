using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>A popup's groups and textures as rows with boxes; only rows in sight exist.</summary>
    internal sealed class ItemList : VisualElement
    {
        private const float RowHeight = 42;
        private const float Indent = 16;
        private const float PictureSize = 36;
        private const float StripSize = 24;
        private const float IconSize = 16;
        private const int StripLength = 4;

        private readonly ItemModel model;
        private readonly Pictures pictures;
        private readonly ListView list;
        private readonly Toggle all = new Toggle();
        private List<ItemModel.Row> visible;
        private bool isNarrow;

        internal ItemList(ItemModel model, Pictures pictures)
        {
            this.model = model;
            this.pictures = pictures;
            visible = model.Visible();
            all.text = Texts.Say("All");
            all.tooltip = Texts.Say("Tick or untick all");
            all.RegisterValueChangedCallback(changed => SetAll());
            Skin.SetShown(all, model.IsCheckable && model.Roots.Count > 1);
            list = new ListView(visible, RowHeight, () => new RowView(this), Bind) { selectionType = SelectionType.Single };
            list.style.flexGrow = 1;
            // Before the list's own navigation.
            list.RegisterCallback<KeyDownEvent>(OnKey, TrickleDown.TrickleDown);
            style.flexGrow = 1;
            style.minHeight = 3 * RowHeight;
            Add(all);
            Add(list);
            ShowAll();
        }

        /// <summary>A tick was set or removed.</summary>
        internal event Action Ticked;

        /// <summary>A texture is to be shown by itself.</summary>
        internal event Action<ItemModel.Row> Chosen;

        /// <summary>Shows the ticks of the model.</summary>
        internal void Refresh()
        {
            list.RefreshItems();
            ShowAll();
        }

        /// <summary>Without the strips of pictures, for which there is no room.</summary>
        internal void SetNarrow(bool isOn)
        {
            if (isNarrow == isOn) return;
            isNarrow = isOn;
            list.RefreshItems();
        }

        internal static string Mark(ItemModel.Row row)
        {
            switch (row.Outcome)
            {
                case "done": return "✓ ";
                case "failed": return "✕ ";
                case "kept": return "– ";
                default: return "";
            }
        }

        private void Bind(VisualElement element, int index) => ((RowView)element).Show(visible[index]);

        private void OnKey(KeyDownEvent pressed)
        {
            if (!(list.selectedItem is ItemModel.Row row)) return;
            switch (pressed.keyCode)
            {
                case KeyCode.Space when row.IsCheckable: Toggle(row); break;
                case KeyCode.RightArrow:
                case KeyCode.Return: Enter(row); break;
                case KeyCode.LeftArrow: Open(row, false); break;
                default: return;
            }
            pressed.StopPropagation();
        }

        private void Toggle(ItemModel.Row row)
        {
            model.Toggle(row);
            Refresh();
            Ticked?.Invoke();
        }

        private void SetAll()
        {
            model.ToggleAll();
            Refresh();
            Ticked?.Invoke();
        }

        private void ShowAll()
        {
            all.SetValueWithoutNotify(model.All == ItemModel.Tick.On);
            all.showMixedValue = model.All == ItemModel.Tick.Mixed;
        }

        /// <summary>Shows a texture by itself, or what is in a group.</summary>
        private void Enter(ItemModel.Row row)
        {
            if (row.Item.Path != null) Chosen?.Invoke(row);
            else Open(row, !row.IsOpen);
        }

        private void Open(ItemModel.Row row, bool isOpen)
        {
            if (row.Children.Count == 0 || row.IsOpen == isOpen || row.Item.Path != null) return;
            row.IsOpen = isOpen;
            visible = model.Visible();
            list.itemsSource = visible;
            list.Rebuild();
        }

        private sealed class RowView : VisualElement
        {
            private readonly ItemList owner;
            private readonly Label arrow = new Label();
            // Keys go to the list.
            private readonly Toggle box = new Toggle { focusable = false };
            private readonly Image picture = new Image { scaleMode = ScaleMode.ScaleToFit };
            private readonly Label title = new Label { enableRichText = false };
            private readonly Label detail = new Label { enableRichText = false };
            private readonly Label value = new Label { enableRichText = false };
            private readonly Image[] strip = new Image[StripLength];
            private ItemModel.Row row;

            internal RowView(ItemList owner)
            {
                this.owner = owner;
                style.flexDirection = FlexDirection.Row;
                style.alignItems = Align.Center;
                arrow.style.width = Indent;
                picture.style.flexShrink = arrow.style.flexShrink = box.style.flexShrink = 0;
                var lines = new VisualElement();
                lines.style.flexGrow = 1;
                lines.style.flexShrink = 1;
                lines.style.overflow = Overflow.Hidden;
                lines.Add(title);
                lines.Add(detail);
                detail.style.opacity = 0.85f;
                foreach (var each in new VisualElement[] { arrow, box, picture, lines }) Add(each);
                for (var each = 0; each < StripLength; each++)
                {
                    strip[each] = new Image { scaleMode = ScaleMode.ScaleToFit };
                    strip[each].style.width = strip[each].style.height = StripSize;
                    strip[each].style.flexShrink = 0;
                    Add(strip[each]);
                }
                Add(value);
                box.RegisterValueChangedCallback(changed => owner.Toggle(row));
                foreach (var each in new VisualElement[] { arrow, picture, lines })
                    each.RegisterCallback<ClickEvent>(clicked => owner.Enter(row));
            }

            internal void Show(ItemModel.Row shown)
            {
                row = shown;
                var isGroup = row.Item.Path == null && row.Children.Count > 0;
                style.paddingLeft = Indent * row.Depth;
                arrow.text = !isGroup ? "" : row.IsOpen ? "▾" : "▸";
                Skin.SetShown(arrow, isGroup);
                box.style.visibility = row.IsCheckable ? Visibility.Visible : Visibility.Hidden;
                box.SetValueWithoutNotify(row.Tick == ItemModel.Tick.On);
                box.showMixedValue = row.Tick == ItemModel.Tick.Mixed;
                box.tooltip = row.Item.Locked;
                title.text = Mark(row) + row.Item.Title;
                title.style.unityFontStyleAndWeight = isGroup ? FontStyle.Bold : FontStyle.Normal;
                detail.text = row.Item.Locked.Length > 0 ? row.Item.Locked : row.Item.Detail;
                tooltip = row.Item.Path ?? row.Item.Title + "\n" + row.Item.Detail;
                value.text = row.Item.Value;
                ShowPicture();
                for (var each = 0; each < StripLength; each++)
                {
                    var child = isGroup && !row.IsOpen && !owner.isNarrow && each < row.Children.Count
                        ? row.Children[each].Item.Picture
                        : null;
                    ShowPicture(strip[each], child);
                }
            }

            private void ShowPicture()
            {
                if (row.Item.Severity == null)
                {
                    picture.style.width = picture.style.height = PictureSize;
                    picture.tooltip = "";
                    ShowPicture(picture, row.Item.Picture);
                    return;
                }
                picture.style.width = picture.style.height = IconSize;
                picture.tooltip = Skin.SeverityWord(row.Item.Severity);
                picture.image = Skin.SeverityIcon(row.Item.Severity);
                Skin.SetShown(picture, true);
                detail.text = Skin.SeverityWord(row.Item.Severity) + " · " + detail.text;
            }

            private void ShowPicture(Image image, string blob)
            {
                image.image = blob == null ? null : owner.pictures.Get(blob, owner.list.RefreshItems);
                Skin.SetShown(image, blob != null);
            }
        }
    }
}
