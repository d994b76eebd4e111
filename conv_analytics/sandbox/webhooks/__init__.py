"""What the platform sends by itself: RTC events and Voice events of a world, as signed requests (contract 3 to 6)."""
