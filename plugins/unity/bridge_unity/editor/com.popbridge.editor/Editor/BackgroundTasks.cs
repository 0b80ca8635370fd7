using System.Collections.Generic;
using UnityEditor;

namespace PopBridge.Editor
{
    /// <summary>The work on popups as Unity's background tasks: people see it without the window.</summary>
    internal sealed class BackgroundTasks
    {
        private readonly PopupList popups;
        private readonly Dictionary<long, int> tasks = new Dictionary<long, int>();

        internal BackgroundTasks(PopupList popups)
        {
            this.popups = popups;
            popups.Changed += OnChanged;
        }

        internal void Suspend()
        {
            foreach (var task in tasks.Values) Progress.Remove(task);
            tasks.Clear();
        }

        private void OnChanged(PopupList.OpenPopup changed)
        {
            if (changed != null) Show(changed);
            else if (tasks.Count > 0) FinishOthers();
        }

        private void Show(PopupList.OpenPopup popup)
        {
            if (popup.Progress == null) return;
            if (!tasks.TryGetValue(popup.Popup.Id, out var task))
                tasks[popup.Popup.Id] = task = Progress.Start("PopBridge: " + popup.Popup.Title);
            Progress.Report(task, (float)popup.Progress.Value, popup.ProgressText);
        }

        private void FinishOthers()
        {
            var ended = new List<long>(tasks.Keys);
            foreach (var each in popups.Open) ended.Remove(each.Popup.Id);
            foreach (var id in ended)
            {
                Progress.Finish(tasks[id]);
                tasks.Remove(id);
            }
        }
    }
}
