"""The endpoint: circles behind the API that OpenAI's clients know, and the page that shows them."""
