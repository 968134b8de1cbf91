local words = { 'a' 'b' }
return words
