"""From a champion's bundle and bars, stored or sent, to a forecast that is written down."""
