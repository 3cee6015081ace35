"""What each pane shows, as rows of styled text: pure functions of a picture and a size."""
