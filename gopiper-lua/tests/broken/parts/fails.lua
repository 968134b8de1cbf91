local words = {}
words.first.letter = 'a'
return words
