local gopiper = require('gopiper')
	local größe = 'ä'
	local word, more = 'Überprüfung', }
