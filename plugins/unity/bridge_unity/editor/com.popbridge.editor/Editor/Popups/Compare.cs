using UnityEngine;
using UnityEngine.UIElements;

namespace PopBridge.Editor
{
    /// <summary>Two pictures of the same size, before and after a change, with an edge between them to drag.</summary>
    internal sealed class Compare : VisualElement
    {
        private const float MaxHeight = 260;
        private const float EdgeWidth = 2;
        private const float CaptionPad = 4;

        private readonly VisualElement stage = new VisualElement();
        private readonly VisualElement clip = new VisualElement();
        private readonly VisualElement edge = new VisualElement();
        private readonly Image before;
        private readonly Image after;
        private readonly Label beforeCaption;
        private readonly Label afterCaption;
        private readonly Slider slider;
        private readonly float aspect;

        internal Compare(Texture2D earlier, Texture2D later)
        {
            aspect = earlier.height / (float)Mathf.Max(1, earlier.width);
            before = Picture(earlier);
            after = Picture(later);
            clip.style.overflow = stage.style.overflow = Overflow.Hidden;
            clip.style.position = edge.style.position = Position.Absolute;
            clip.style.left = clip.style.top = edge.style.top = 0;
            edge.style.width = EdgeWidth;
            edge.style.backgroundColor = Color.white;
            clip.Add(before);
            beforeCaption = Caption(Texts.Say("Before"));
            afterCaption = Caption(Texts.Say("After"));
            beforeCaption.style.left = CaptionPad;
            afterCaption.style.right = CaptionPad;
            foreach (var each in new VisualElement[] { after, clip, edge, beforeCaption, afterCaption }) stage.Add(each);
            stage.RegisterCallback<PointerDownEvent>(OnDown);
            stage.RegisterCallback<PointerMoveEvent>(OnMove);
            stage.RegisterCallback<PointerUpEvent>(released => stage.ReleasePointer(released.pointerId));
            stage.RegisterCallback<GeometryChangedEvent>(resized => Arrange());
            // For the keyboard.
            slider = new Slider(0, 1) { value = 0.5f, tooltip = Texts.Say("Compare before and after") };
            slider.RegisterValueChangedCallback(changed => Arrange());
            Add(stage);
            Add(slider);
            Arrange();
        }

        private static Image Picture(Texture2D texture)
        {
            var image = new Image { image = texture, scaleMode = ScaleMode.ScaleAndCrop, pickingMode = PickingMode.Ignore };
            image.style.position = Position.Absolute;
            image.style.left = image.style.top = 0;
            return image;
        }

        private static Label Caption(string text)
        {
            var label = new Label(text) { pickingMode = PickingMode.Ignore };
            label.style.position = Position.Absolute;
            label.style.bottom = CaptionPad;
            label.style.backgroundColor = new Color(0, 0, 0, 0.7f);
            label.style.color = Color.white;
            return label;
        }

        private void OnDown(PointerDownEvent pressed)
        {
            stage.CapturePointer(pressed.pointerId);
            MoveTo(pressed.localPosition.x);
            pressed.StopPropagation();
        }

        private void OnMove(PointerMoveEvent moved)
        {
            if (stage.HasPointerCapture(moved.pointerId)) MoveTo(moved.localPosition.x);
        }

        private void MoveTo(float x) => slider.value = Mathf.Clamp01(x / Mathf.Max(1, stage.layout.width));

        private void Arrange()
        {
            var width = stage.layout.width;
            // There is no layout yet.
            if (float.IsNaN(width)) return;
            var height = Mathf.Min(MaxHeight, width * aspect);
            var split = Mathf.Round(width * slider.value);
            stage.style.height = clip.style.height = edge.style.height = height;
            before.style.width = after.style.width = width;
            before.style.height = after.style.height = height;
            clip.style.width = split;
            edge.style.left = split - EdgeWidth / 2;
            // A caption is only true of what is beside it.
            Skin.SetShown(beforeCaption, split > beforeCaption.layout.width);
            Skin.SetShown(afterCaption, width - split > afterCaption.layout.width);
        }
    }
}
