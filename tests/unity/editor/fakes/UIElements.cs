// What the package uses of UI Toolkit, without Unity: a tree without a layout.

using System;
using System.Collections;
using System.Collections.Generic;
using System.Linq;

namespace UnityEngine.UIElements
{
    public enum FlexDirection { Column, ColumnReverse, Row, RowReverse }
    public enum Wrap { NoWrap, Wrap }
    public enum Align { Auto, FlexStart, Center, FlexEnd, Stretch }
    public enum Overflow { Visible, Hidden }
    public enum DisplayStyle { Flex, None }
    public enum Visibility { Visible, Hidden }
    public enum WhiteSpace { Normal, NoWrap }
    public enum SelectionType { None, Single, Multiple }
    public enum Position { Relative, Absolute }
    public enum TrickleDown { NoTrickleDown, TrickleDown }
    public enum PickingMode { Position, Ignore }
    public enum LengthUnit { Pixel, Percent }

    public struct Length
    {
        public Length(float value, LengthUnit unit) { }
    }

    public struct StyleLength
    {
        public static implicit operator StyleLength(float value) => new StyleLength();
        public static implicit operator StyleLength(Length value) => new StyleLength();
    }

    public struct StyleFloat
    {
        public static implicit operator StyleFloat(float value) => new StyleFloat();
    }

    public struct StyleColor
    {
        public static implicit operator StyleColor(Color value) => new StyleColor();
    }

    public struct StyleEnum<T> where T : struct
    {
        public T value { get; private set; }
        public static implicit operator StyleEnum<T>(T value) => new StyleEnum<T> { value = value };
    }

    public interface IStyle
    {
        StyleLength left { get; set; }
        StyleLength right { get; set; }
        StyleLength top { get; set; }
        StyleLength bottom { get; set; }
        StyleLength marginLeft { get; set; }
        StyleLength marginRight { get; set; }
        StyleLength marginTop { get; set; }
        StyleLength marginBottom { get; set; }
        StyleLength fontSize { get; set; }
        StyleEnum<Position> position { get; set; }
        StyleEnum<Align> alignSelf { get; set; }
        StyleLength width { get; set; }
        StyleLength height { get; set; }
        StyleLength minHeight { get; set; }
        StyleLength paddingLeft { get; set; }
        StyleLength paddingRight { get; set; }
        StyleLength paddingTop { get; set; }
        StyleLength paddingBottom { get; set; }
        StyleFloat borderLeftWidth { get; set; }
        StyleFloat flexGrow { get; set; }
        StyleFloat flexShrink { get; set; }
        StyleFloat opacity { get; set; }
        StyleColor color { get; set; }
        StyleColor backgroundColor { get; set; }
        StyleColor borderLeftColor { get; set; }
        StyleEnum<FlexDirection> flexDirection { get; set; }
        StyleEnum<Wrap> flexWrap { get; set; }
        StyleEnum<Align> alignItems { get; set; }
        StyleEnum<Overflow> overflow { get; set; }
        StyleEnum<DisplayStyle> display { get; set; }
        StyleEnum<Visibility> visibility { get; set; }
        StyleEnum<WhiteSpace> whiteSpace { get; set; }
        StyleEnum<FontStyle> unityFontStyleAndWeight { get; set; }
    }

    internal sealed class FakeStyle : IStyle
    {
        public StyleLength left { get; set; }
        public StyleLength right { get; set; }
        public StyleLength top { get; set; }
        public StyleLength bottom { get; set; }
        public StyleLength marginLeft { get; set; }
        public StyleLength marginRight { get; set; }
        public StyleLength marginTop { get; set; }
        public StyleLength marginBottom { get; set; }
        public StyleLength fontSize { get; set; }
        public StyleEnum<Position> position { get; set; }
        public StyleEnum<Align> alignSelf { get; set; }
        public StyleLength width { get; set; }
        public StyleLength height { get; set; }
        public StyleLength minHeight { get; set; }
        public StyleLength paddingLeft { get; set; }
        public StyleLength paddingRight { get; set; }
        public StyleLength paddingTop { get; set; }
        public StyleLength paddingBottom { get; set; }
        public StyleFloat borderLeftWidth { get; set; }
        public StyleFloat flexGrow { get; set; }
        public StyleFloat flexShrink { get; set; }
        public StyleFloat opacity { get; set; }
        public StyleColor color { get; set; }
        public StyleColor backgroundColor { get; set; }
        public StyleColor borderLeftColor { get; set; }
        public StyleEnum<FlexDirection> flexDirection { get; set; }
        public StyleEnum<Wrap> flexWrap { get; set; }
        public StyleEnum<Align> alignItems { get; set; }
        public StyleEnum<Overflow> overflow { get; set; }
        public StyleEnum<DisplayStyle> display { get; set; }
        public StyleEnum<Visibility> visibility { get; set; }
        public StyleEnum<WhiteSpace> whiteSpace { get; set; }
        public StyleEnum<FontStyle> unityFontStyleAndWeight { get; set; }
    }

    public abstract class EventBase
    {
        public void StopPropagation() { }
    }

    public class ClickEvent : EventBase { }

    public class PointerDownEvent : EventBase
    {
        public int pointerId => 0;
        public Vector3 localPosition { get; set; }
    }

    public class PointerMoveEvent : PointerDownEvent { }
    public class PointerUpEvent : PointerDownEvent { }

    public class GeometryChangedEvent : EventBase
    {
        public Rect newRect { get; set; }
    }

    public class KeyDownEvent : EventBase
    {
        public KeyCode keyCode { get; set; }
    }

    public class ChangeEvent<T> : EventBase
    {
        public T newValue { get; set; }
    }

    public delegate void EventCallback<in T>(T happened);

    public class VisualElement
    {
        private readonly List<VisualElement> children = new List<VisualElement>();
        private readonly List<Delegate> callbacks = new List<Delegate>();

        public VisualElement() => Fake.CheckThread();

        public IStyle style { get; } = new FakeStyle();
        public string tooltip { get; set; }
        public bool focusable { get; set; }
        public PickingMode pickingMode { get; set; }

        /// <summary>Set by tests; without a layout its numbers are NaN, as in Unity.</summary>
        public Rect layout { get; set; } = new Rect(0, 0, float.NaN, float.NaN);

        public int childCount => children.Count;
        public bool enabledSelf { get; private set; } = true;
        public IEnumerable<VisualElement> Children() => children;
        public void Add(VisualElement child) => children.Add(child);
        public virtual void Clear() => children.Clear();
        public void SetEnabled(bool isOn) => enabledSelf = isOn;
        public void RegisterCallback<T>(EventCallback<T> callback, TrickleDown phase = TrickleDown.NoTrickleDown) where T : EventBase => callbacks.Add(callback);

        /// <summary>For tests: all elements below, this one first.</summary>
        public IEnumerable<VisualElement> All()
        {
            yield return this;
            foreach (var child in Rendered().ToArray())
                if (child.style.display.value == DisplayStyle.Flex)
                foreach (var each in child.All()) yield return each;
        }

        internal virtual IEnumerable<VisualElement> Rendered() => children;

        /// <summary>For tests: gives this element a width.</summary>
        public void Resize(float width)
        {
            layout = new Rect(0, 0, width, 400);
            Send(new GeometryChangedEvent { newRect = layout });
        }

        public void Send<T>(T happened) where T : EventBase
        {
            foreach (var each in callbacks.ToArray()) (each as EventCallback<T>)?.Invoke(happened);
        }
    }

    public class TextElement : VisualElement
    {
        public string text { get; set; } = "";
        public bool enableRichText { get; set; }
    }

    public class Label : TextElement
    {
        public Label() { }
        public Label(string text) => this.text = text;
    }

    public class Button : TextElement
    {
        private readonly Action clicked;
        public Button(Action clicked) => this.clicked = clicked;
        public void Press() { if (enabledSelf) clicked(); }
    }

    public class Image : VisualElement
    {
        public Texture image { get; set; }
        public ScaleMode scaleMode { get; set; }
    }

    public class ScrollView : VisualElement { }

    public class Foldout : VisualElement
    {
        public string text { get; set; }
        public bool value { get; set; }
    }

    public static class PointerCapture
    {
        private static VisualElement captured;
        public static void CapturePointer(this VisualElement element, int pointer) => captured = element;
        public static void ReleasePointer(this VisualElement element, int pointer) => captured = null;
        public static bool HasPointerCapture(this VisualElement element, int pointer) => captured == element;
    }

    public class BaseField<T> : VisualElement
    {
        private T now;

        public string label { get; set; }
        public bool showMixedValue { get; set; }

        public virtual T value
        {
            get => now;
            set
            {
                now = value;
                Send(new ChangeEvent<T> { newValue = value });
            }
        }

        public void SetValueWithoutNotify(T value) => now = value;
    }

    public class Toggle : BaseField<bool>
    {
        public Toggle() { }
        public Toggle(string label) => this.label = label;
        public string text { get; set; }
    }

    public class Slider : BaseField<float>
    {
        public Slider(float start, float end) { }
    }

    public class TextField : BaseField<string>
    {
        public TextField(string label) => this.label = label;
    }

    public class DropdownField : BaseField<string>
    {
        public DropdownField(string label, List<string> choices, int index)
        {
            this.label = label;
            if (index < choices.Count) SetValueWithoutNotify(choices[index]);
        }
    }

    public static class FieldExtensions
    {
        public static bool RegisterValueChangedCallback<T>(this BaseField<T> field, EventCallback<ChangeEvent<T>> callback)
        {
            field.RegisterCallback(callback);
            return true;
        }
    }

    /// <summary>Ten rows are in sight.</summary>
    public class ListView : VisualElement
    {
        private readonly Func<VisualElement> make;
        private readonly Action<VisualElement, int> bind;
        private readonly List<VisualElement> rows = new List<VisualElement>();

        public ListView(IList source, float height, Func<VisualElement> make, Action<VisualElement, int> bind)
        {
            itemsSource = source;
            this.make = make;
            this.bind = bind;
        }

        public IList itemsSource { get; set; }
        public SelectionType selectionType { get; set; }
        public object selectedItem { get; set; }

        public void RefreshItems()
        {
            for (var each = 0; each < Math.Min(rows.Count, itemsSource.Count); each++) bind(rows[each], each);
        }

        public void Rebuild()
        {
            rows.Clear();
            for (var each = 0; each < Math.Min(10, itemsSource.Count); each++) rows.Add(make());
            RefreshItems();
        }

        internal override IEnumerable<VisualElement> Rendered()
        {
            if (rows.Count == 0) Rebuild();
            return rows.ToArray();
        }
    }
}
