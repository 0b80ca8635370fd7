using System;
using System.Collections.Generic;
using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>A popup's items as rows with boxes; only rows in sight exist.</summary>
    internal sealed class ItemList : VisualElement
    {
        private const float RowHeight = 42;
        private const float Indent = 16;
        private const float PictureSize = 36;

        private readonly ItemModel model;
        private readonly Pictures pictures;
        private readonly ListView list;
        private List<ItemModel.Row> visible;

        internal ItemList(ItemModel model, Pictures pictures)
        {
            this.model = model;
            this.pictures = pictures;
            visible = model.Visible();
            list = new ListView(visible, RowHeight, () => new RowView(this), Bind) { selectionType = SelectionType.Single };
            list.style.flexGrow = 1;
            list.RegisterCallback<KeyDownEvent>(OnKey);
            style.flexGrow = 1;
            style.minHeight = 3 * RowHeight;
            Add(list);
        }

        /// <summary>A tick was set or removed.</summary>
        internal event Action Ticked;

        private void Bind(VisualElement element, int index) => ((RowView)element).Show(visible[index]);

        private void OnKey(KeyDownEvent pressed)
        {
            if (!(list.selectedItem is ItemModel.Row row)) return;
            if (pressed.keyCode == KeyCode.Space && row.IsCheckable) Toggle(row);
            else if (pressed.keyCode == KeyCode.RightArrow) Open(row, true);
            else if (pressed.keyCode == KeyCode.LeftArrow) Open(row, false);
            else return;
            pressed.StopPropagation();
        }

        private void Toggle(ItemModel.Row row)
        {
            model.Toggle(row);
            list.RefreshItems();
            Ticked?.Invoke();
        }

        private void Open(ItemModel.Row row, bool isOpen)
        {
            if (row.Children.Count == 0 || row.IsOpen == isOpen) return;
            row.IsOpen = isOpen;
            visible = model.Visible();
            list.itemsSource = visible;
            list.Rebuild();
        }

        private static string Mark(ItemModel.Row row)
        {
            switch (row.Outcome)
            {
                case "done": return "✓ ";
                case "failed": return "✕ ";
                case "kept": return "– ";
                default: return "";
            }
        }

        private sealed class RowView : VisualElement
        {
            private readonly ItemList owner;
            private readonly Label arrow = new Label();
            private readonly Toggle box = new Toggle();
            private readonly Image picture = new Image();
            private readonly Label title = new Label();
            private readonly Label detail = new Label();
            private readonly Label value = new Label();
            private ItemModel.Row row;

            internal RowView(ItemList owner)
            {
                this.owner = owner;
                style.flexDirection = FlexDirection.Row;
                style.alignItems = Align.Center;
                arrow.style.width = Indent;
                picture.style.width = PictureSize;
                picture.style.height = PictureSize;
                picture.scaleMode = ScaleMode.ScaleToFit;
                var lines = new VisualElement();
                lines.style.flexGrow = 1;
                lines.style.flexShrink = 1;
                lines.style.overflow = Overflow.Hidden;
                lines.Add(title);
                lines.Add(detail);
                detail.style.opacity = 0.75f;
                foreach (var each in new VisualElement[] { arrow, box, picture, lines, value }) Add(each);
                arrow.RegisterCallback<ClickEvent>(clicked => owner.Open(row, !row.IsOpen));
                box.RegisterValueChangedCallback(changed => owner.Toggle(row));
            }

            internal void Show(ItemModel.Row shown)
            {
                row = shown;
                style.paddingLeft = Indent * row.Depth;
                arrow.text = row.Children.Count == 0 ? "" : row.IsOpen ? "▾" : "▸";
                box.style.visibility = row.IsCheckable ? Visibility.Visible : Visibility.Hidden;
                box.SetValueWithoutNotify(row.Tick == ItemModel.Tick.On);
                box.showMixedValue = row.Tick == ItemModel.Tick.Mixed;
                box.tooltip = row.Item.Locked;
                title.text = Mark(row) + row.Item.Title;
                detail.text = row.Item.Locked.Length > 0 ? row.Item.Locked : row.Item.Detail;
                tooltip = row.Item.Path ?? row.Item.Title;
                value.text = row.Item.Value;
                picture.image = owner.pictures.Get(row.Item.Picture, () => owner.list.RefreshItems());
                picture.style.display = row.Item.Picture == null ? DisplayStyle.None : DisplayStyle.Flex;
            }
        }
    }
}
