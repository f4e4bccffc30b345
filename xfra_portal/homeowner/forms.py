from django import forms


class QuestionForm(forms.Form):
    """A question about a statement."""

    text = forms.CharField(
        label="What would you like to know, or what looks wrong?",
        max_length=2000,
        min_length=3,
        widget=forms.Textarea(attrs={"rows": 4}),
        error_messages={
            "required": "Write your question first.",
            "min_length": "Write a few words, so that we know what to look at.",
            "max_length": "Write at most 2,000 characters.",
        },
    )
